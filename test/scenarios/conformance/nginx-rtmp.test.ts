import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CloseReason } from '../../../drivers/client.ts';
import { LADDER, type Rung } from '../../../lab/render/ladder.ts';
import { NGINX_RTMP_CHECKS } from '../../../scenarios/conformance/nginx-rtmp.ts';
import type { MediaItem, StepData } from '../../../scenarios/history.ts';
import { Script } from './histories.ts';
import { audio, judgeWith, Timeline, video } from './timeline.ts';

const SUFFIXES = LADDER.map(({ suffix }) => suffix);
const BASE = 'http://127.1.0.2/hls';

function judge(id: string, timeline: Timeline | Script): { verdict: string; says: string } {
  return judgeWith(NGINX_RTMP_CHECKS, `nginx-rtmp/${id}`, timeline as Timeline);
}

test('no check passes a history in which nothing was seen', () => {
  for (const { id, judge: judgeOf } of NGINX_RTMP_CHECKS) {
    const verdicts = judgeOf(new Timeline().history).map(({ verdict }) => verdict);
    assert.ok(verdicts.length > 0 && !verdicts.includes('pass'), id);
  }
});

test('what nobody asked for is not missing', () => {
  assert.equal(
    judge('ladder-complete', new Script().step('stream', { stream: 's' })).verdict,
    'inconclusive',
  );
  assert.equal(judge('dash-advances', new Script().step('asked', { url: BASE })).verdict, 'inconclusive');
});

function exchange(script: Script, client: string, url: string, status = 200, bytes = 1000): void {
  const kind = url.endsWith('.m3u8') ? 'playlist' : url.endsWith('.ts') ? 'segment' : 'other';
  const times = { sentAt: 1, headAt: 2, firstByteAt: 3 };
  const answer = { method: 'GET', status, headers: {}, bytes, error: null };
  script.event({ type: 'http.exchange', client, kind, url, ...times, ...answer });
}

/** Segments of a rung, 25 frames of a second each. */
function inSegments(items: readonly MediaItem[]): MediaItem[] {
  return items.map((item, i) => ({ ...item, segment: Math.floor(i / 25) }));
}

describe('ladder-complete', () => {
  interface Ladder {
    readonly listed?: readonly Rung[];
    readonly bandwidth?: (rung: Rung) => number;
    readonly made?: readonly string[];
    readonly width?: number;
    readonly height?: number;
    readonly silent?: string;
    readonly seconds?: number;
    readonly bytes?: number;
    readonly problem?: string;
    /** Its segment was not fetched, or its pictures were of no size. */
    readonly unmeasured?: string;
    readonly sizeless?: string;
    /** One of its two segments did not come. */
    readonly halved?: string;
    /** Its playlist was not kept. */
    readonly unlisted?: string;
  }

  const ladder = (changes: Ladder) => {
    const { listed = LADDER, bandwidth, made = SUFFIXES, bytes, problem, seconds = 1 } = changes;
    const script = new Script().step('stream', { stream: 's' });
    const master = listed
      .map(
        (rung) =>
          `#EXT-X-STREAM-INF:BANDWIDTH=${bandwidth?.(rung) ?? rung.bandwidth}\ns_${rung.suffix}.m3u8\n`,
      )
      .join('');
    const seen = { url: `${BASE}/s.m3u8`, sentAt: 1 };
    const text = `#EXTM3U\n#EXT-X-VERSION:3\n${master}`;
    script.event({ type: 'hls.playlist', client: 'master', kind: 'master', ...seen, text });
    for (const { suffix, encoded, bandwidth: declared } of LADDER) {
      const url = `${BASE}/s_${suffix}.m3u8`;
      if (!made.includes(suffix)) {
        exchange(script, suffix, url, 404);
        continue;
      }
      const media = `#EXTM3U\n#EXT-X-TARGETDURATION:${seconds}\n#EXTINF:${seconds.toFixed(3)},\n`;
      const playlist = { url, sentAt: 1, text: `${media}s_${suffix}-0.ts\n` };
      if (changes.unlisted !== suffix) {
        script.event({ type: 'hls.playlist', client: suffix, kind: 'media', ...playlist });
      }
      if (changes.unmeasured !== suffix) {
        const size = bytes ?? Math.floor((declared * seconds) / 8);
        exchange(script, suffix, `${BASE}/s_${suffix}-0.ts`, 200, size);
      }
      script.got(suffix, inSegments(video({ count: changes.halved === suffix ? 25 : 50 })));
      if (changes.silent !== suffix) script.got(suffix, audio({ count: 25 }));
      if (problem === suffix) {
        script.event({ type: 'client.problem', client: suffix, code: 'mpegts.packet', detail: 'x' });
      }
      const width = changes.sizeless === suffix ? 0 : (changes.width ?? encoded?.width ?? 640);
      const height = (suffix === 'mid' && changes.height) || 2 * Math.trunc((width * 360) / 640 / 2);
      script.step('rung', { rung: suffix, segments: 2, width, height });
    }
    return judge('ladder-complete', script);
  };

  test('all five as they are declared pass', () =>
    assert.deepEqual(ladder({}), { verdict: 'pass', says: '' }));
  test('a rung that is not listed fails', () => {
    const { verdict, says } = ladder({ listed: LADDER.filter(({ suffix }) => suffix !== 'mid') });
    assert.equal(verdict, 'fail');
    assert.equal(says, 's_hd720.m3u8, s_high.m3u8, s_low.m3u8, s_src.m3u8');
  });
  test('a rung that is listed and not made fails', () => {
    const { verdict, says } = ladder({ made: SUFFIXES.filter((suffix) => suffix !== 'hd720') });
    assert.equal(verdict, 'fail');
    assert.match(says, /^0 frames; its playlist: HTTP 404/);
  });
  test('another BANDWIDTH fails', () => assert.equal(ladder({ bandwidth: () => 9_999_999 }).verdict, 'fail'));
  test('a segment above its BANDWIDTH fails', () => {
    const { verdict, says } = ladder({ bytes: 1_000_000 });
    assert.equal(verdict, 'fail');
    assert.match(says, /a segment of 8000000 bit\/s/);
  });
  test('pictures of another width fail', () => assert.match(ladder({ width: 100 }).says, /100 wide/));
  test('pictures of another shape, a rung without sound, segments that are too long', () => {
    assert.equal(ladder({ height: 480 }).says, '720x480 of 640x360');
    assert.equal(ladder({ silent: 'low' }).says, '0 PES packets of audio');
    assert.match(ladder({ seconds: 3 }).says, /^one of 3000 ms/);
  });
  test('a segment that is listed and does not come fails', () => {
    const { verdict, says } = ladder({ halved: 'mid' });
    assert.equal(verdict, 'fail');
    assert.match(says, /^25 frames of 1 segments/);
  });
  test('a playlist of which nothing is known says nothing of how long segments are', () =>
    assert.deepEqual(ladder({ unlisted: 'low' }), {
      verdict: 'inconclusive',
      says: 'no length is known; no segment was measured',
    }));
  test('a segment that was not fetched, and a source of no size, tell nothing', () => {
    assert.deepEqual(ladder({ unmeasured: 'low' }), {
      verdict: 'inconclusive',
      says: 'no segment was measured',
    });
    const { verdict, says } = ladder({ sizeless: 'src' });
    assert.equal(verdict, 'inconclusive');
    assert.match(says, /480x270 of 0x0/);
  });
  test('a segment that is no transport stream fails', () =>
    assert.match(ladder({ problem: 'low' }).says, /mpegts\.packet/));
  test('no master playlist fails, and something else in its place', () => {
    const script = new Script().step('stream', { stream: 's' });
    exchange(script, 'master', `${BASE}/s.m3u8`, 404);
    assert.match(judge('ladder-complete', script).says, /HTTP 404/);
    const seen = { url: `${BASE}/s.m3u8`, sentAt: 1, text: '<html>' };
    script.event({ type: 'hls.playlist', client: 'master', kind: 'master', ...seen });
    assert.match(judge('ladder-complete', script).says, /<html>/);
  });
});

describe('variants-aligned', () => {
  const aligned = (change: (suffix: string, items: MediaItem[]) => MediaItem[]) => {
    const timeline = new Timeline();
    for (const suffix of SUFFIXES) timeline.got(suffix, change(suffix, inSegments(video({ count: 75 }))));
    return judge('variants-aligned', timeline);
  };

  test('the same boundaries pass', () => assert.equal(aligned((_, items) => items).verdict, 'pass'));
  test('a rung that comes up a segment later passes', () =>
    assert.equal(aligned((suffix, items) => (suffix === 'low' ? items.slice(25) : items)).verdict, 'pass'));
  test('a frame of difference passes, two fail', () => {
    const late = (frames: number) =>
      aligned((suffix, items) =>
        suffix === 'mid'
          ? items.map((item) => ({ ...item, timestamp: item.timestamp + frames * 40 }))
          : items,
      ).verdict;
    assert.deepEqual([late(1), late(2)], ['pass', 'fail']);
  });
  test('longer segments fail', () => {
    const { verdict, says } = aligned((suffix, items) =>
      suffix === 'high'
        ? items.map((item, i) => ({ ...item, segment: Math.floor(i / 33), key: i % 33 === 0 }))
        : items,
    );
    assert.equal(verdict, 'fail');
    assert.match(says, /high at 0, 1320/);
  });
  test('a segment without a keyframe at its beginning fails', () =>
    assert.match(
      aligned((_, items) => items.map((item) => ({ ...item, key: false }))).says,
      /without a keyframe/,
    ));
  test('the same of the source, when the others have their keyframes', () =>
    assert.match(
      aligned((suffix, items) => (suffix === 'src' ? items.map((item) => ({ ...item, key: false })) : items))
        .says,
      /src: a segment that begins at 0 ms without a keyframe/,
    ));
  test('other frames at the same times fail', () => {
    const shift = ({ stamp, ...item }: MediaItem) => ({
      ...item,
      stamp: stamp && { ...stamp, frame: stamp.frame + 5 },
    });
    assert.equal(aligned((suffix, items) => (suffix === 'low' ? items.map(shift) : items)).verdict, 'fail');
  });
  test('without stamps the times decide', () =>
    assert.equal(
      aligned((suffix, items) => (suffix === 'src' ? items : items.map((item) => ({ ...item, stamp: null }))))
        .verdict,
      'pass',
    ));
  test('a rung of which nothing was seen is inconclusive', () =>
    assert.equal(aligned((suffix, items) => (suffix === 'low' ? [] : items)).verdict, 'inconclusive'));
});

describe('hls-latency-known', () => {
  const encodedAnew = ({ stamp, ...item }: MediaItem): MediaItem => ({
    ...item,
    stamp: stamp && { ...stamp, intact: false },
  });
  const known = (change: (suffix: string, items: MediaItem[]) => MediaItem[]) => {
    const timeline = new Timeline().step(0, 'publisher', { publisher: 'p' }).sent('p', video({ count: 60 }));
    for (const suffix of SUFFIXES) {
      const items = inSegments(video({ count: 50 }));
      timeline.got(suffix, change(suffix, suffix === 'src' ? items : items.map(encodedAnew)), 1500);
    }
    return judge('hls-latency-known', timeline);
  };
  const low = (change: (item: MediaItem) => MediaItem) =>
    known((suffix, items) => (suffix === 'low' ? items.map(change) : items));

  test('stamps in every rung, whole in the copied one, pass', () =>
    assert.equal(known((_, items) => items).verdict, 'pass'));
  test('a rung without stamps fails, as unsupported', () => {
    const { verdict, says } = low((item) => ({ ...item, stamp: null }));
    assert.equal(verdict, 'fail');
    assert.match(says, /^unsupported: 50 of 50/);
  });
  test('another clock fails', () =>
    assert.match(
      low(({ stamp, ...item }) => ({ ...item, stamp: { ...stamp!, sentAt: 1 } })).says,
      /another clock/,
    ));
  test('a stamp of another stream fails', () =>
    assert.equal(
      low(({ stamp, ...item }) => ({ ...item, stamp: { ...stamp!, stream: 9 } })).verdict,
      'fail',
    ));
  test('a copied frame whose checksum does not hold fails', () =>
    assert.match(
      known((suffix, items) => (suffix === 'src' ? items.map(encodedAnew) : items)).says,
      /not what was sent/,
    ));
  test('nothing seen is inconclusive', () => assert.equal(known(() => []).verdict, 'inconclusive'));
  test('less than a segment of a rung tells nothing of every frame', () =>
    assert.equal(
      known((suffix, items) => (suffix === 'mid' ? items.slice(0, 24) : items)).verdict,
      'inconclusive',
    ));
});

describe('play-denied', () => {
  interface Setting {
    /** Frames of the player of application live, and of the rung. */
    readonly allowed?: number;
    readonly rung?: number;
    readonly allowedLost?: boolean;
  }
  const denied = (
    got: readonly MediaItem[],
    end?: CloseReason,
    { allowed = 25, rung = 25, allowedLost = false }: Setting = {},
  ) => {
    const timeline = new Timeline().got('a', video({ count: allowed })).got('src', video({ count: rung }));
    timeline.step(0, 'denied', { player: 'd', allowed: 'a' }).got('d', got);
    if (allowedLost) timeline.lost(90, 'a');
    return judge('play-denied', end ? timeline.lost(100, 'd', end) : timeline);
  };
  const sampleAccess: MediaItem = { kind: 'script', timestamp: 0, size: 24, sum: 1, key: false, stamp: null };

  test('turned away passes, whatever of RTMP itself came before', () => {
    assert.equal(denied([], 'remote').verdict, 'pass');
    assert.equal(denied([sampleAccess], 'remote').verdict, 'pass');
  });
  test('media fails, even if the player is turned away then', () =>
    assert.match(denied(video({ count: 3 }), 'remote').says, /3 of them frames/));
  test('application live is not concerned: its player plays, and stays', () => {
    assert.equal(denied([], 'remote', { allowed: 0 }).verdict, 'fail');
    assert.equal(denied([], 'remote', { allowedLost: true }).verdict, 'fail');
  });
  test('a rung that nobody has seen is not one that cannot be played', () =>
    assert.equal(denied([], 'remote', { rung: 0 }).verdict, 'inconclusive'));
  test('left without an answer fails', () => {
    assert.match(denied([]).says, /not turned away/);
    assert.deepEqual(denied([], 'timeout'), {
      verdict: 'fail',
      says: 'timeout while streaming: eof.streaming',
    });
    assert.equal(denied([], 'local').verdict, 'fail');
  });
});

describe('dash-advances', () => {
  const timelineOf = (times: readonly number[]) => times.map((t) => `<S t="${t}" d="1000"/>`).join('');
  const representation = (kind: 'video' | 'audio', times: readonly number[]) =>
    `<AdaptationSet id="${kind}"><Representation id="${kind}" mimeType="${kind}/mp4" bandwidth="1">
      <SegmentTemplate timescale="1000" media="${kind}-$Time$" initialization="${kind}-init">
      <SegmentTimeline>${timelineOf(times)}</SegmentTimeline></SegmentTemplate></Representation></AdaptationSet>`;
  const manifest = (times: readonly number[], sets = ['video', 'audio'] as readonly ('video' | 'audio')[]) =>
    `<MPD type="dynamic" availabilityStartTime="2026-01-01T00:00:00Z" publishTime="2026-01-01T00:00:05Z"
      minimumUpdatePeriod="PT1S" minBufferTime="PT1S" profiles="urn:mpeg:dash:profile:isoff-live:2011">
      <Period start="PT0S" id="p">${sets.map((kind) => representation(kind, times)).join('')}</Period></MPD>`;
  const segment = {
    representation: 'video',
    uri: 'video-0',
    status: 200,
    time: 0,
    boxes: 'styp moof mdat',
    decodeTime: 0,
  };
  /** Initialization and segments of both. */
  const fetchedOf = (times: readonly number[]): StepData[] =>
    ['video', 'audio'].flatMap((kind) => [
      {
        ...segment,
        representation: kind,
        uri: `${kind}-init`,
        time: null,
        boxes: 'ftyp moov',
        decodeTime: null,
      },
      ...times.map((time) => ({
        ...segment,
        representation: kind,
        uri: `${kind}-${time}`,
        time,
        decodeTime: time,
      })),
    ]);
  const all = fetchedOf([0, 1000, 2000, 3000]);
  const dash = (first: string | undefined, later: string | undefined, fetched: readonly StepData[] = all) => {
    const script = new Script().step('asked', { url: 'http://127.1.0.2/dash/s.mpd' });
    exchange(script, 'manifest', 'http://127.1.0.2/dash/s.mpd', first === undefined ? 404 : 200);
    if (first !== undefined) script.step('manifest', { moment: 'first', text: first });
    script.steps('dash', fetched);
    if (later !== undefined) script.step('manifest', { moment: 'later', text: later });
    return judge('dash-advances', script);
  };
  const [early, late] = [manifest([0, 1000]), manifest([0, 1000, 2000, 3000])];

  test('a manifest that goes on, with all its segments, passes', () =>
    assert.deepEqual(dash(early, late), { verdict: 'pass', says: '' }));
  test('a manifest that stands still fails, then or from the beginning', () => {
    assert.match(dash(early, early).says, /^0, up to 1000/);
    assert.deepEqual(dash(manifest([0]), undefined, []), { verdict: 'fail', says: '1' });
  });
  test('no manifest fails', () => assert.match(dash(undefined, undefined, []).says, /HTTP status 404/));
  test('something else fails', () => assert.match(dash('<html/>', undefined, []).says, /MPD/));
  test('a manifest that breaks later fails', () => assert.equal(dash(early, '<MPD').verdict, 'fail'));
  test('a gap in the timeline fails', () =>
    assert.match(dash(manifest([0, 1500]), manifest([0, 1500, 2500, 3500])).says, /0 \+ 1000, then 1500/));
  test('a manifest without video fails', () =>
    assert.equal(dash(manifest([0, 1000], ['audio']), late).verdict, 'fail'));
  test('a static manifest, or one that does not say when to look again, fails', () => {
    assert.equal(dash(early.replace('dynamic', 'static'), late).verdict, 'fail');
    assert.match(
      dash(early.replace('minimumUpdatePeriod="PT1S"', ''), late).says,
      /without minimumUpdatePeriodMs/,
    );
  });
  test('segments that were not fetched, and a manifest that was not asked for again, tell nothing', () => {
    assert.deepEqual(dash(early, late, []), { verdict: 'inconclusive', says: 'none was fetched' });
    const { verdict, says } = dash(early, undefined);
    assert.deepEqual([verdict, says], ['inconclusive', 'the manifest was not asked for again']);
  });
  test('every segment that is listed, and its initialization, has to be fetched', () => {
    for (const uri of ['video-init', 'audio-init', 'video-0', 'audio-1000', 'video-3000']) {
      const rest = all.filter((one) => one.uri !== uri);
      const { verdict, says } = dash(early, late, rest);
      assert.deepEqual([verdict, says], ['inconclusive', `not fetched: ${uri}`]);
    }
  });
  test('a representation without an initialization cannot be played', () => {
    const bare = (text: string) => text.replace('initialization="audio-init"', '');
    const rest = all.filter(({ uri }) => uri !== 'audio-init');
    assert.equal(dash(bare(early), bare(late), rest).verdict, 'fail');
  });
  test('a gap in the later timeline fails', () =>
    assert.match(
      dash(early, manifest([0, 1000, 2500, 3500]), fetchedOf([0, 1000, 2500, 3500])).says,
      /1000 \+ 1000, then 2500/,
    ));
  test('an initialization is of other boxes than a segment, and of no time', () => {
    const initialization = { ...segment, uri: 'video-init', time: null, decodeTime: null };
    const holding = (boxes: string) => dash(early, late, [...all, { ...initialization, boxes }]);
    assert.deepEqual(holding('ftyp moov'), { verdict: 'pass', says: '' });
    assert.match(holding('moof mdat').says, /video-init: boxes moof mdat/);
  });
  for (const [what, flaw, says] of [
    ['is not there', { status: 404 }, /HTTP 404/],
    ['is something else', { boxes: 'ftyp' }, /boxes ftyp/],
    ['is cut off', { boxes: 'moof mdat ?' }, /boxes/],
    ['is of another time', { decodeTime: 979 }, /begins at 979/],
    ['does not say when it begins', { decodeTime: null }, /begins at null/],
  ] as const) {
    test(`a segment that ${what} fails`, () =>
      assert.match(dash(early, late, [...all, { ...segment, ...flaw }]).says, says));
  }
});

describe('stat-counts', () => {
  const reading = (moment: string, figures: Partial<Record<string, number>>) => ({
    moment,
    publishers: 1,
    players: 4,
    bytesIn: 0,
    bytesOut: 0,
    ...figures,
  });
  const size = (items: readonly MediaItem[]) => items.reduce((sum, item) => sum + item.size, 0);
  const [early, late] = [video({ count: 25 }), video({ from: 25, count: 25 })];
  const into = size([...early, ...late]);
  const out = 4 * size(late);

  const stat = ({
    there = {},
    before = {},
    after = {},
    left = {},
  }: Record<string, Partial<Record<string, number>>>) => {
    const players = ['a', 'b', 'c'];
    const timeline = new Timeline().step(0, 'players', { players: players.join(' '), publisher: 'p' });
    timeline.sent('p', early).step(500, 'stat', reading('all there', there));
    for (const player of players) timeline.got(player, early, 1);
    timeline.step(999, 'stat', reading('before', { bytesIn: size(early), bytesOut: 5000, ...before }));
    timeline.sent('p', late);
    for (const player of players) timeline.got(player, late, 1);
    timeline.step(2000, 'stat', reading('after', { bytesIn: into, bytesOut: 5000 + out, ...after }));
    return judge('stat-counts', timeline.step(3000, 'stat', reading('left', { players: 1, ...left })));
  };

  test('the same counts pass', () => assert.deepEqual(stat({}), { verdict: 'pass', says: '' }));
  test('half a percent off passes, two fail', () => {
    const off = (share: number) => stat({ after: { bytesIn: Math.round(into * (1 + share)) } }).verdict;
    assert.deepEqual([off(0.005), off(0.02), off(-0.02)], ['pass', 'fail', 'fail']);
  });
  test('bytes out that are not those of the players fail', () =>
    assert.match(stat({ after: { bytesOut: 5000 + out / 2 } }).says, /50\.00 % off/));
  test('a player too few or too many fails', () => {
    assert.match(stat({ there: { players: 3 } }).says, /^1 and 3$/);
    assert.match(stat({ there: { publishers: 2 } }).says, /2 and 4/);
  });
  test('players who are counted after they have left fail', () =>
    assert.match(stat({ left: { players: 4 } }).says, /^1 and 4$/));
  test('a check that ended before the bytes were counted, or before the players left, tells nothing', () => {
    const there = () =>
      new Timeline()
        .step(0, 'players', { players: 'a', publisher: 'p' })
        .step(500, 'stat', reading('all there', {}));
    assert.equal(
      judge('stat-counts', there().missed(900, 'the last frame at every player')).verdict,
      'inconclusive',
    );
    const before = there().step(999, 'stat', reading('before', {}));
    assert.equal(judge('stat-counts', before).verdict, 'inconclusive');
    const uncounted = there().step(3000, 'stat', reading('left', { players: 1 }));
    assert.deepEqual(judge('stat-counts', uncounted), {
      verdict: 'inconclusive',
      says: 'the check did not get that far',
    });
    const stayed = there().sent('p', early).got('a', early, 1).sent('p', late).got('a', late, 1);
    stayed.step(999, 'stat', reading('before', { bytesIn: size(early) }));
    stayed.step(2100, 'stat', reading('after', { bytesIn: into, bytesOut: 2 * size(late) }));
    assert.equal(judge('stat-counts', stayed).verdict, 'inconclusive');
  });
  test('no reading, and nothing sent between two, tell nothing', () => {
    const setting = () => new Timeline().step(0, 'players', { players: 'a', publisher: 'p' });
    assert.equal(judge('stat-counts', setting()).verdict, 'inconclusive');
    const idle = setting().sent('p', early).step(1100, 'stat', reading('all there', {}));
    idle.step(1200, 'stat', reading('before', {})).step(1300, 'stat', reading('after', {}));
    const { verdict, says } = judge('stat-counts', idle);
    assert.equal(verdict, 'inconclusive');
    assert.equal(says, 'nothing was sent between the readings; the check did not get that far');
  });
});

describe('vod-whole', () => {
  const published = [...audio({ count: 60 }), ...video({ count: 62 })];
  const vod = (got: readonly MediaItem[], end: 'remote' | 'local' = 'remote', sent = published) =>
    judge(
      'vod-whole',
      new Timeline()
        .sent('p', sent)
        .step(3000, 'vod', { player: 'v', publisher: 'p' })
        .got('v', got)
        .lost(4000, 'v', end),
    );

  test('all of it passes', () => assert.deepEqual(vod(published), { verdict: 'pass', says: '' }));
  test('a missing end fails', () => assert.match(vod(published.slice(0, -1)).says, /^61 and 60/));
  test('a missing beginning fails', () => assert.equal(vod(published.slice(1)).verdict, 'fail'));
  test('another frame in the middle fails', () =>
    assert.equal(vod(published.map((item, i) => (i === 80 ? { ...item, sum: 1 } : item))).verdict, 'fail'));
  test('a frame twice fails', () => assert.equal(vod([...published, published.at(-1)!]).verdict, 'fail'));
  test('an empty file fails, also where nothing was published', () => {
    assert.equal(vod([]).verdict, 'fail');
    assert.deepEqual(vod([], 'remote', []), { verdict: 'fail', says: '0 of them compared' });
  });
  test('a download that does not end fails', () => assert.match(vod(published, 'local').says, /local/));
  test('no file fails', () => {
    const script = new Script();
    exchange(script, 'file', 'http://127.1.0.2/vod/s.flv', 404);
    assert.match(judge('vod-whole', script).says, /HTTP 404/);
  });
});

describe('served-to-browsers', () => {
  const TYPES = {
    master: 'application/vnd.apple.mpegurl',
    playlist: 'application/vnd.apple.mpegurl',
    segment: 'video/mp2t',
    manifest: 'application/dash+xml; charset=utf-8',
    recording: 'video/x-flv',
  };
  type Answer = { status?: number; headers?: Record<string, string>; bytes?: number };
  const served = (change: (name: string, preflight: boolean) => Answer = () => ({})) => {
    const script = new Script();
    for (const [name, type] of Object.entries(TYPES)) {
      for (const preflight of [false, true]) {
        const { status, headers, bytes = 10 } = change(name, preflight);
        const usual = {
          'access-control-allow-origin': '*',
          'cache-control': 'no-cache',
          'content-type': type,
        };
        script.event({
          type: 'http.exchange',
          client: preflight ? `${name}-preflight` : name,
          kind: 'other',
          method: preflight ? 'OPTIONS' : 'GET',
          url: `${BASE}/${name}`,
          ...{ sentAt: 1, headAt: 2, firstByteAt: 3, bytes, error: null },
          status: status ?? (preflight ? 204 : 200),
          headers: { ...usual, ...headers },
        });
      }
    }
    return judge('served-to-browsers', script);
  };
  const of = (kind: string, answer: Answer, atPreflight = false) =>
    served((name, preflight) => (name === kind && preflight === atPreflight ? answer : {}));

  test('all as it should be passes', () => assert.deepEqual(served(), { verdict: 'pass', says: '' }));
  test('another type fails', () =>
    assert.match(
      of('segment', { headers: { 'content-type': 'text/plain' } }).says,
      /segment: type text\/plain/,
    ));
  test('another origin fails, in the answer and in the preflight', () => {
    const foreign = { headers: { 'access-control-allow-origin': 'http://other.test' } };
    assert.match(of('manifest', foreign).says, /the answer is for origin http:\/\/other/);
    assert.match(of('manifest', foreign, true).says, /OPTIONS is for origin/);
  });
  test('a preflight that is refused fails', () =>
    assert.match(of('recording', { status: 405 }, true).says, /OPTIONS: HTTP 405/));
  test('a playlist or manifest that may be kept fails, a segment may', () => {
    const kept = { headers: { 'cache-control': 'max-age=60' } };
    assert.match(of('playlist', kept).says, /Cache-Control max-age=60/);
    assert.equal(of('manifest', kept).verdict, 'fail');
    assert.equal(of('segment', kept).verdict, 'pass');
  });
  test('an answer of nothing fails', () => {
    for (const name of Object.keys(TYPES)) assert.match(of(name, { bytes: 0 }).says, /an empty body/);
  });
  test('what is not there fails', () => assert.match(of('recording', { status: 404 }).says, /HTTP 404/));
  test('what was not asked for tells nothing', () => {
    const script = new Script();
    exchange(script, 'master', `${BASE}/s.m3u8`);
    const { verdict, says } = judge('served-to-browsers', script);
    assert.match(says, /did not get that far/);
    assert.equal(verdict, 'inconclusive');
  });
});
