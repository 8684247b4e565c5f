import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeLoad } from '../../reports/judge-load.ts';
import { type Load, type Verdict, worstVerdict } from '../../reports/results.ts';
import { hlsFigures, loadFigures, NO_SAMPLE, srtFigures, webRtcFigures } from './samples.ts';

const HEALTHY = loadFigures();
const SICK = { ...HEALTHY.generator, healthy: false, reasons: ['loop lag p99 190 ms is above 50 ms'] };

function verdictOf(of: Partial<Load>, interrupted = false): { verdict: Verdict; not: string[] } {
  const findings = judgeLoad(loadFigures(of), { interrupted });
  return {
    verdict: worstVerdict(findings.map(({ verdict }) => verdict)),
    not: findings.filter(({ verdict }) => verdict !== 'pass').map(({ check }) => check),
  };
}

test('all joined, nothing lost, generator healthy: pass', () => {
  assert.deepEqual(verdictOf({}), { verdict: 'pass', not: [] });
});

test('clients that fail, wait or drop are a fail', () => {
  const clients = HEALTHY.clients;
  assert.deepEqual(
    verdictOf({ clients: { ...clients, joined: 4999, failed: 1 }, reasons: { 'tcp.refused': 1 } }),
    {
      verdict: 'fail',
      not: ['load/joined'],
    },
  );
  assert.deepEqual(verdictOf({ clients: { ...clients, joined: 4999 } }).not, ['load/joined']);
  assert.deepEqual(verdictOf({ clients: { ...clients, dropped: 2 } }), {
    verdict: 'fail',
    not: ['load/kept'],
  });
});

test('each kind of wrong frame is a fail', () => {
  for (const kind of ['missing', 'duplicated', 'reordered', 'corrupt'] as const) {
    assert.deepEqual(verdictOf({ frames: { ...HEALTHY.frames, [kind]: 1 } }), {
      verdict: 'fail',
      not: ['load/frames'],
    });
  }
});

test('some players that starve at the end are a fail, all of them are nobody knows whose', () => {
  const { stalls, clients } = HEALTHY;
  const verdict = (lasting: number) => verdictOf({ stalls: { ...stalls, lasting } });
  assert.deepEqual(verdict(1), { verdict: 'fail', not: ['load/served'] });
  assert.deepEqual(verdict(clients.joined), { verdict: 'inconclusive', not: ['load/served'] });
});

test('a stream of which all players starve may have lost its publisher, whatever comes of the others', () => {
  const verdict = (...lasting: number[]) => {
    const ofUrls = lasting.map((of) => ({ there: 2500, lasting: of }));
    const sum = lasting.reduce((total, of) => total + of, 0);
    return verdictOf({ stalls: { ...HEALTHY.stalls, lasting: sum, ofUrls } }).verdict;
  };
  assert.equal(verdict(0, 0), 'pass');
  assert.equal(verdict(0, 2500), 'inconclusive');
  assert.equal(verdict(2500, 2500), 'inconclusive');
  assert.equal(verdict(0, 1), 'fail');
  assert.equal(verdict(2500, 1), 'fail');
});

test('an unhealthy generator never blames the server', () => {
  assert.equal(verdictOf({ generator: SICK }).verdict, 'inconclusive');
  const findings = judgeLoad(
    loadFigures({
      generator: SICK,
      clients: { ...HEALTHY.clients, joined: 4000, failed: 1000, dropped: 5 },
      frames: { ...HEALTHY.frames, missing: 9, corrupt: 1 },
    }),
    { interrupted: false },
  );
  assert.deepEqual([...new Set(findings.map(({ verdict }) => verdict))].sort(), ['inconclusive', 'pass']);
  const joined = findings.find(({ check }) => check === 'load/joined')!;
  assert.ok(joined.evidence.some(({ label }) => label === 'generator'));
});

test('frames that nobody can judge are inconclusive, but lost clients are still a fail', () => {
  const frames = { ...HEALTHY.frames, unstamped: 10 };
  assert.deepEqual(verdictOf({ frames }), { verdict: 'inconclusive', not: ['load/stamped'] });
  const none = { ...HEALTHY.frames, received: 0 };
  assert.deepEqual(verdictOf({ frames: none }).not, ['load/frames', 'load/stamped']);
  assert.equal(verdictOf({ frames: none }).verdict, 'inconclusive');
  const clients = { ...HEALTHY.clients, joined: 0, failed: 5000 };
  assert.equal(verdictOf({ frames: none, clients }).verdict, 'fail');
});

test('a stream that stops is never a pass, a short gap and the time before the first byte are', () => {
  const silent = (from: number, to: number) =>
    HEALTHY.timeline.map((second, i) => (i >= from && i < to ? { ...second, mbitPerSecond: 0 } : second));
  assert.deepEqual(verdictOf({ timeline: silent(25, 30) }), {
    verdict: 'inconclusive',
    not: ['load/flowing'],
  });
  assert.deepEqual(verdictOf({ timeline: silent(10, 12) }).not, ['load/flowing']);
  assert.deepEqual(verdictOf({ timeline: silent(10, 11) }).not, []);
  assert.deepEqual(verdictOf({ timeline: silent(0, 4) }).not, []);
  assert.deepEqual(verdictOf({ timeline: silent(0, 30) }).not, ['load/flowing']);
  assert.deepEqual(verdictOf({ timeline: [] }).not, [], 'a load of less than a second');
});

test('an interrupted run is at best inconclusive, and blames nobody for those still on their way', () => {
  assert.deepEqual(verdictOf({}, true), { verdict: 'inconclusive', not: ['load/complete'] });
  assert.deepEqual(verdictOf({ clients: { ...HEALTHY.clients, joined: 100 } }, true), {
    verdict: 'inconclusive',
    not: ['load/joined', 'load/complete'],
  });
  const waiting = { ...HEALTHY.clients, joined: 4990, failed: 10 };
  const reasons = { 'no-keyframe.requesting': 7, 'no-keyframe.streaming': 3 };
  assert.equal(verdictOf({ clients: waiting, reasons }, true).verdict, 'inconclusive');
  assert.equal(verdictOf({ clients: waiting, reasons }).verdict, 'fail');
  assert.equal(
    verdictOf({ clients: waiting, reasons: { 'no-keyframe.streaming': 9, 'tcp.refused': 1 } }, true).verdict,
    'fail',
  );
  assert.equal(verdictOf({ clients: { ...HEALTHY.clients, dropped: 1 } }, true).verdict, 'fail');
});

test('HLS: judged only where there is HLS; every problem is a fail of playlists or of segments', () => {
  assert.ok(!judgeLoad(HEALTHY, { interrupted: false }).some(({ check }) => check === 'load/playlists'));
  const checks = judgeLoad(loadFigures({ hls: hlsFigures() }), { interrupted: false });
  assert.ok(['load/playlists', 'load/segments'].every((id) => checks.some(({ check }) => check === id)));
  assert.deepEqual(verdictOf({ hls: hlsFigures() }), { verdict: 'pass', not: [] });
  const culprits = {
    'hls.stale': 'load/playlists',
    'hls.sequence.backwards': 'load/playlists',
    'hls.sequence.reset': 'load/playlists',
    'hls.session.lost': 'load/playlists',
    'hls.segment.changed': 'load/playlists',
    'hls.playlist.http.404': 'load/playlists',
    'hls.gap': 'load/segments',
    'hls.segment.missing': 'load/segments',
    'hls.segment.http.500': 'load/segments',
    'mpegts.continuity': 'load/segments',
  };
  for (const [code, check] of Object.entries(culprits)) {
    const hls = hlsFigures({ problems: { [code]: 3 } });
    assert.deepEqual(verdictOf({ hls }), { verdict: 'fail', not: [check] });
    const found = judgeLoad(loadFigures({ hls }), { interrupted: false }).find((of) => of.check === check)!;
    assert.match(found.actual, new RegExp(`^3 ${code}, of `));
    assert.equal(found.evidence[0]!.label, code);
    assert.equal(verdictOf({ hls, generator: SICK }).verdict, 'inconclusive');
  }
  const { segments } = hlsFigures();
  const failed = verdictOf({ hls: hlsFigures({ segments: { ...segments, failed: 2 } }) });
  assert.deepEqual(failed, { verdict: 'fail', not: ['load/segments'] });
});

test('HLS: nothing asked for is nothing known', () => {
  const nothing = { requests: 0, failed: 0, missing: 0, bytes: 0, time: NO_SAMPLE };
  const hls = hlsFigures({ segments: nothing, playlists: { ...nothing, staleness: NO_SAMPLE } });
  assert.deepEqual(verdictOf({ hls }), {
    verdict: 'inconclusive',
    not: ['load/playlists', 'load/segments'],
  });
});

test('HLS: silence between two reloads is not the end of the stream, a longer one may be', () => {
  const second = HEALTHY.timeline.at(-1)!;
  const quiet = (seconds: number): Load['timeline'] => [
    ...HEALTHY.timeline,
    ...Array.from({ length: seconds }, () => ({ ...second, mbitPerSecond: 0 })),
  ];
  assert.equal(verdictOf({ timeline: quiet(3), hls: hlsFigures() }).verdict, 'pass');
  assert.deepEqual(verdictOf({ timeline: quiet(4), hls: hlsFigures() }).not, ['load/flowing']);
  assert.deepEqual(verdictOf({ timeline: quiet(3) }).not, ['load/flowing']);
});

test('SRT: what was lost and came again is no fail; what was dropped, or nobody can read, is', () => {
  assert.ok(!judgeLoad(HEALTHY, { interrupted: false }).some(({ check }) => check === 'load/srt'));
  assert.deepEqual(verdictOf({ srt: srtFigures() }), { verdict: 'pass', not: [] });
  const { packets } = srtFigures();
  for (const kind of ['dropped', 'undecryptable', 'malformed'] as const) {
    const srt = srtFigures({ packets: { ...packets, [kind]: 3 } });
    assert.deepEqual(verdictOf({ srt }), { verdict: 'fail', not: ['load/srt'] }, kind);
    assert.equal(verdictOf({ srt, generator: SICK }).verdict, 'inconclusive');
  }
  const torn = srtFigures({ problems: { 'mpegts.continuity': 3 } });
  assert.deepEqual(verdictOf({ srt: torn }), { verdict: 'fail', not: ['load/srt'] });
  const nothing = srtFigures({ packets: { ...packets, received: 0, lost: 0 } });
  assert.deepEqual(verdictOf({ srt: nothing }), { verdict: 'inconclusive', not: ['load/srt'] });
  const all = srtFigures({ packets: { ...packets, received: 0, undecryptable: 9 } });
  assert.equal(verdictOf({ srt: all }).verdict, 'fail');
});

test('WHEP: what was recovered is no fail; what never came, or nobody can read, is', () => {
  assert.ok(!judgeLoad(HEALTHY, { interrupted: false }).some(({ check }) => check === 'load/rtp'));
  const problems = { 'signalling.location': 500 };
  assert.deepEqual(verdictOf({ webrtc: webRtcFigures({ problems }) }), { verdict: 'pass', not: [] });
  const { rtp, srtp } = webRtcFigures();
  for (const webrtc of [
    webRtcFigures({ rtp: { ...rtp, lost: 1 }, playersWithLoss: 1, worstLost: 1 }),
    webRtcFigures({ rtp: { ...rtp, audioLost: 1 } }),
    webRtcFigures({ rtp: { ...rtp, malformed: 1 } }),
    webRtcFigures({ srtp: { ...srtp, forged: 1 } }),
  ]) {
    assert.deepEqual(verdictOf({ webrtc }), { verdict: 'fail', not: ['load/rtp'] });
    assert.equal(verdictOf({ webrtc, generator: SICK }).verdict, 'inconclusive');
  }
  const nothing = webRtcFigures({ rtp: { ...rtp, packets: 0, recovered: 0 } });
  assert.deepEqual(verdictOf({ webrtc: nothing }), { verdict: 'inconclusive', not: ['load/rtp'] });
  const unverified = webRtcFigures({ framesVerified: 0 });
  assert.deepEqual(verdictOf({ webrtc: unverified }), { verdict: 'inconclusive', not: ['load/rtp'] });
});
