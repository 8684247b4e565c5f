/** Playlists that ffmpeg writes now. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { lintPlaylist } from '../../../protocols/hls/lint.ts';
import { parsePlaylist } from '../../../protocols/hls/parse.ts';
import type { MasterPlaylist, MediaPlaylist } from '../../../protocols/hls/playlist.ts';

const source = fileURLToPath(new URL('../../../fixtures/media/av-480k.flv', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'liveproof-hls-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, ...options: string[]): string {
  const output = join(folder, name);
  const all = [
    '-v',
    'error',
    '-i',
    source,
    '-c',
    'copy',
    '-f',
    'hls',
    '-hls_time',
    '2',
    '-hls_list_size',
    '0',
  ];
  const { status, stderr } = spawnSync('ffmpeg', [...all, ...options, output]);
  assert.equal(status, 0, String(stderr));
  return readFileSync(output.replace('%v', 'low'), 'utf8');
}

const rules = (text: string): string[] => [...new Set(lintPlaylist(text).map(({ rule }) => rule))];

test('one file: byte ranges that follow each other', () => {
  const text = write('single.m3u8', '-hls_flags', 'single_file');
  assert.deepEqual(rules(text), []);
  const { segments, endList } = parsePlaylist(text) as MediaPlaylist;
  assert.equal(segments.length, 5);
  assert.equal(endList, true);
  for (const [i, { byteRange }] of segments.slice(1).entries()) {
    const { offset, length } = segments[i]!.byteRange!;
    assert.equal(byteRange!.offset, offset + length);
  }
});

test('event with dates, whose zone lacks the colon that ISO 8601 wants', () => {
  const text = write(
    'event.m3u8',
    ...['-hls_playlist_type', 'event', '-hls_flags', 'program_date_time+independent_segments'],
  );
  assert.deepEqual(rules(text), ['date-zone-form']);
  const { segments, playlistType, independentSegments } = parsePlaylist(text) as MediaPlaylist;
  assert.equal(playlistType, 'EVENT');
  assert.equal(independentSegments, true);
  assert.equal(segments[1]!.programDateTime! - segments[0]!.programDateTime!, 2000);
});

test('fragmented MP4: a map', () => {
  const text = write('vod.m3u8', '-hls_segment_type', 'fmp4', '-hls_playlist_type', 'vod');
  assert.deepEqual(rules(text), []);
  const { segments } = parsePlaylist(text) as MediaPlaylist;
  assert.deepEqual(segments[4]!.map, { uri: 'init.mp4', byteRange: undefined });
});

test('a master playlist', () => {
  const low = write(
    '%v.m3u8',
    ...['-map', '0:v', '-map', '0:a', '-map', '0:v', '-map', '0:a', '-master_pl_name', 'master.m3u8'],
    ...['-var_stream_map', 'v:0,a:0,name:low v:1,a:1,name:high'],
  );
  assert.deepEqual(rules(low), []);
  const text = readFileSync(join(folder, 'master.m3u8'), 'utf8');
  assert.deepEqual(rules(text), ['codecs-missing']);
  const { variants } = parsePlaylist(text) as MasterPlaylist;
  assert.deepEqual(
    variants.map(({ uri, resolution }) => [uri, resolution?.width]),
    [
      ['low.m3u8', 640],
      ['high.m3u8', 640],
    ],
  );
});
