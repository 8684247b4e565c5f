import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parsePlaylist } from '../../../protocols/hls/parse.ts';
import type { MasterPlaylist, MediaPlaylist } from '../../../protocols/hls/playlist.ts';
import { writeMasterPlaylist, writeMediaPlaylist } from '../../../protocols/hls/write.ts';

const capture = (name: string): string =>
  readFileSync(new URL(`../../../fixtures/captures/srs-7.0.18/${name}`, import.meta.url), 'utf8');

test('the text is what SRS writes, byte for byte', () => {
  const media = capture('hls-media.m3u8');
  const { targetDuration, mediaSequence, segments } = parsePlaylist(media) as MediaPlaylist;
  assert.equal(writeMediaPlaylist({ targetDuration, mediaSequence, segments }), media);
  const master = capture('hls-master.m3u8');
  const [{ uri, bandwidth, averageBandwidth }] = (parsePlaylist(master) as MasterPlaylist).variants as [
    MasterPlaylist['variants'][number],
  ];
  assert.equal(writeMasterPlaylist({ variants: [{ uri, bandwidth, averageBandwidth }] }), master);
});

test('end of list and discontinuity sequence are written when given', () => {
  assert.equal(
    writeMediaPlaylist({
      targetDuration: 2,
      mediaSequence: 7,
      discontinuitySequence: 1,
      segments: [],
      endList: true,
    }),
    '#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n#EXT-X-TARGETDURATION:2\n#EXT-X-ENDLIST\n',
  );
});
