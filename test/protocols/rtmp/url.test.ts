import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProtocolError, ProtocolErrorCode } from '../../../protocols/errors.ts';
import { parseRtmpUrl, type RtmpUrl } from '../../../protocols/rtmp/url.ts';

const cases: [string, RtmpUrl][] = [
  [
    'rtmp://127.0.0.1/live/livestream',
    { host: '127.0.0.1', port: 1935, app: 'live', stream: 'livestream', tcUrl: 'rtmp://127.0.0.1/live' },
  ],
  [
    'rtmp://edge-1.example:19350/live/livestream?token=a/b&x=1',
    {
      host: 'edge-1.example',
      port: 19350,
      app: 'live',
      stream: 'livestream?token=a/b&x=1',
      tcUrl: 'rtmp://edge-1.example:19350/live',
    },
  ],
  [
    'RTMP://h:1935/live/instance/stream',
    { host: 'h', port: 1935, app: 'live/instance', stream: 'stream', tcUrl: 'rtmp://h/live/instance' },
  ],
  [
    'rtmp://[::1]:1936/live/s',
    { host: '::1', port: 1936, app: 'live', stream: 's', tcUrl: 'rtmp://[::1]:1936/live' },
  ],
  [
    'rtmp://h/live/s?vhost=demo.example&k=v',
    {
      host: 'h',
      port: 1935,
      app: 'live',
      stream: 's?vhost=demo.example&k=v',
      tcUrl: 'rtmp://h/live',
      vhost: 'demo.example',
    },
  ],
  [
    'rtmp://h/live?vhost=demo.example/s',
    {
      host: 'h',
      port: 1935,
      app: 'live?vhost=demo.example',
      stream: 's',
      tcUrl: 'rtmp://h/live?vhost=demo.example',
      vhost: 'demo.example',
    },
  ],
  ['rtmp://h/live', { host: 'h', port: 1935, app: 'live', stream: '', tcUrl: 'rtmp://h/live' }],
];

for (const [url, expected] of cases) {
  test(url, () => {
    assert.deepEqual(parseRtmpUrl(url), expected);
  });
}

test('what is not an RTMP URL with an application', () => {
  for (const url of [
    '',
    'rtmp://',
    'rtmp://h',
    'rtmp://h/',
    'rtmp:///live/s',
    'rtmp://h//s',
    'rtmp://h/?vhost=x',
    'rtmp://h:0/live/s',
    'rtmp://h:65536/live/s',
    'rtmp://h:x/live/s',
    'rtmp://user@h/live/s',
    'rtmp://h/live/s p',
    'rtmp://h/live/s\n',
    'rtmps://h/live/s',
    'http://h/live/s.flv',
  ]) {
    assert.throws(
      () => parseRtmpUrl(url),
      (error) => error instanceof ProtocolError && error.code === ProtocolErrorCode.Url,
      url,
    );
  }
});
