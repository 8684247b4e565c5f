import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { eventually } from '../../drivers/support/observe.ts';
import { ask, nginx } from './running-nginx.ts';

describe('Nginx in front of a folder', () => {
  it('says what a file is and how long it may be kept, to pages of other hosts too', async (t) => {
    const { port, folder, accessLog } = await nginx(t, { kind: 'files' });
    writeFileSync(path.join(folder, 'live/s.m3u8'), '#EXTM3U\n');
    writeFileSync(path.join(folder, 'live/s-0.ts'), 'G');
    const playlist = await ask(port, '/live/s.m3u8');
    assert.equal(playlist.status, 200);
    assert.equal(playlist.headers['content-type'], 'application/vnd.apple.mpegurl');
    assert.equal(playlist.headers['cache-control'], 'no-cache');
    assert.equal(playlist.headers['access-control-allow-origin'], '*');
    const segment = await ask(port, '/live/s-0.ts');
    assert.equal(segment.headers['content-type'], 'video/mp2t');
    assert.equal(segment.headers['cache-control'], 'public, max-age=6');
    const preflight = await ask(port, '/live/s.m3u8', { method: 'OPTIONS' });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers['access-control-allow-headers'], '*');
    const absent = await ask(port, '/live/s-9.ts');
    assert.deepEqual([absent.status, absent.headers['access-control-allow-origin']], [404, '*']);
    assert.equal(absent.headers['cache-control'], undefined);
    // It answers first and writes then.
    await eventually(5000, 'four lines', () => accessLog().length === 4);
    assert.deepEqual(
      accessLog().map(({ method, uri, status }) => `${method} ${uri} ${status}`),
      ['GET /live/s.m3u8 200', 'GET /live/s-0.ts 200', 'OPTIONS /live/s.m3u8 204', 'GET /live/s-9.ts 404'],
    );
  });

  it('with its mutants says neither', async (t) => {
    const mutants = new Set(['web-no-cors', 'web-wrong-content-type'] as const);
    const { port, folder } = await nginx(t, { kind: 'files', mutants });
    writeFileSync(path.join(folder, 'live/s.m3u8'), '#EXTM3U\n');
    const { headers } = await ask(port, '/live/s.m3u8');
    assert.equal(headers['access-control-allow-origin'], undefined);
    assert.equal(headers['content-type'], 'application/octet-stream');
    const preflight = await ask(port, '/live/s.m3u8', { method: 'OPTIONS' });
    assert.equal(preflight.status, 405);
  });
});
