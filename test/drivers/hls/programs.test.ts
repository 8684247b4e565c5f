import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Publishing } from '../../../drivers/measure/publishing.ts';
import { MediaSource } from '../../../drivers/measure/source.ts';
import { runFfmpeg } from '../../../fixtures/ffmpeg.ts';
import { startNginx } from '../support/nginx.ts';
import { eventually } from '../support/observe.ts';
import { PLAYED, Watched } from './support.ts';

const MEDIA = 'fixtures/media/av-480k.flv';
/** Ten seconds at 25 frames per second. */
const FRAMES = 250;

describe('real programs', { concurrency: true }, () => {
  const LAYOUTS = {
    'segments of a second': ['-hls_time', '1'],
    'segments of three seconds': ['-hls_time', '3'],
    'byte ranges of one file': ['-hls_time', '2', '-hls_flags', 'single_file'],
  };
  it("ffmpeg's HLS, served by nginx: every frame, in every layout", async (t) => {
    const nginx = await startNginx();
    t.after(() => nginx.stop());
    for (const [index, options] of Object.values(LAYOUTS).entries()) {
      const folder = join(nginx.root, `vod-${index}`);
      await mkdir(folder);
      await runFfmpeg({
        inputs: [{ source: MEDIA }],
        options: ['-c', 'copy', '-hls_list_size', '0', ...options],
        format: 'hls',
        output: join(folder, 'x.m3u8'),
      });
      const watched = new Watched(t, `http://127.0.0.1:${nginx.httpPort}/vod-${index}/x.m3u8`);
      assert.deepEqual(await watched.end(), PLAYED);
      assert.deepEqual(watched.problems, []);
      // ffmpeg's own files carry no stamps.
      assert.deepEqual(
        [watched.frames.received, watched.frames.unstamped, watched.frames.corrupt],
        [FRAMES, FRAMES, 0],
      );
      assert.equal(watched.player.resends, 0);
    }
  });

  it('HLS of nginx-rtmp: live, every stamped frame once, intact and in order', async (t) => {
    const nginx = await startNginx();
    t.after(() => nginx.stop());
    const publishing = new Publishing(MediaSource.load(MEDIA), {});
    t.after(() => publishing.stop());
    publishing.add(`rtmp://127.0.0.1:${nginx.rtmpPort}/segments/x`, {});
    const watched = new Watched(t, `http://127.0.0.1:${nginx.httpPort}/hls/x.m3u8`, {
      hls: { maxRetries: 6 },
    });
    await eventually(12_000, '75 frames', () => watched.meter.received >= 75 || watched.ends.length > 0);
    watched.player.close();
    const { received, ...wrong } = watched.frames;
    assert.ok(received >= 75, `${received} frames, ${JSON.stringify(watched.ends)}`);
    assert.deepEqual(wrong, { missing: 0, duplicated: 0, corrupt: 0, unstamped: 0 });
    assert.deepEqual([...new Set(watched.problems)], ['hls.playlist.http.404']);
  });
});
