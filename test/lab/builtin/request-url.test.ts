import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  namedVhost,
  paramWithoutVhost,
  paramWithVhost,
  requestUrl,
} from '../../../lab/builtin/request-url.ts';

/** tcUrl, app, stream; then host, virtual host, query with it, query without it. */
const CASES: readonly (readonly [string, string, string, string, string | undefined, string, string])[] = [
  ['rtmp://127.0.0.1:1935/live', 'live', 's', '127.0.0.1', undefined, '', ''],
  ['rtmp://127.0.0.1/live', 'live', 's?a=1&b=2', '127.0.0.1', undefined, '?a=1&b=2', '?a=1&b=2'],
  ['rtmp://shop.example/live', 'live', 's', 'shop.example', 'shop.example', '?vhost=shop.example', ''],
  ['rtmp://a.b:19350/live', 'live', 's?t=x', 'a.b', 'a.b', '?t=x&vhost=a.b', '?t=x'],
  ['rtmp://127.0.0.1/live', 'live', 's?vhost=a.b&t=x', '127.0.0.1', 'a.b', '?vhost=a.b&t=x', '?t=x'],
  ['rtmp://127.0.0.1/live', 'live', 's?t=x&vhost=a.b', '127.0.0.1', 'a.b', '?t=x&vhost=a.b', '?t=x'],
  ['rtmp://127.0.0.1/live', 'live?vhost=a.b', 's?t=x', '127.0.0.1', 'a.b', '?vhost=a.b&t=x', '?t=x'],
  ['rtmp://c.d/live', 'live', 's?domain=a.b', 'c.d', 'a.b', '?domain=a.b', '?domain=a.b'],
  ['rtmp://a.b/live', 'live', 's?vhost=__defaultVhost__', 'a.b', undefined, '?vhost=__defaultVhost__', ''],
  ['rtmp://[::1]:1935/live', 'live', 's?t=a/b?c=d', '::1', undefined, '?t=a/b?c=d', '?t=a/b?c=d'],
  ['no URL', 'live', 's?xvhost=a.b', '', undefined, '?xvhost=a.b', '?xvhost=a.b'],
];

test('host, query and virtual host of what a client asks for', () => {
  for (const [tcUrl, app, stream, host, vhost, withVhost, without] of CASES) {
    const url = requestUrl(tcUrl, app, stream);
    assert.deepEqual(
      [url.host, namedVhost(url), paramWithVhost(url), paramWithoutVhost(url)],
      [host, vhost, withVhost, without],
      `${tcUrl} ${app} ${stream}`,
    );
  }
});
