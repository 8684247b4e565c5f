import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { carry } from '../lab/runners/one-stream.ts';

describe('one stream of origins that ask others', () => {
  it('is found at a coworker', async () => {
    const links = await carry('coworker-cluster', ['rtmp', 'flv']);
    assert.ok(links.includes('edge-1>origin-1 rtmp'), links.join());
    assert.ok(links.includes('origin-2>origin-1 api'), links.join());
  });

  it('passes the Nginx of a host', async () => {
    const links = await carry('local-origin', ['rtmp', 'flv']);
    assert.ok(links.includes('edge-a1>origin-1 rtmp'), links.join());
  });

  it('is told to a stream manager, which is asked and looks after its origins', async () => {
    const links = await carry('stream-manager', ['rtmp', 'flv']);
    for (const link of [
      'origin-1>stream-manager api',
      'stream-manager>origin-1 api',
      'origin-2>stream-manager api',
    ]) {
      assert.ok(links.includes(link), `${link} in ${links.join()}`);
    }
  });
});
