/**
 * `liveproof/results@1`: what every run leaves behind in `results.json`. docs/results.md is made from the descriptions
 * in this file (reports/describe.ts).
 */
import { z } from 'zod';
import { Bench } from './results-bench.ts';
import { Browser } from './results-browser.ts';
import { ClusterFigures } from './results-clusters.ts';
import { GateHealth } from './results-gate.ts';
import { K6 } from './results-k6.ts';
import { Bystander } from './results-mutants.ts';
import { Distribution, GeneratorHealth } from './results-shared.ts';
import { Starvation } from './results-starvation.ts';

export { Browser, BrowserPlay } from './results-browser.ts';
export { Distribution, GeneratorHealth } from './results-shared.ts';

/** From best to worst; the verdict of a run is the worst of its findings. */
export const VERDICTS = ['pass', 'unsupported', 'inconclusive', 'fail', 'error'] as const;
export const Verdict = z.enum(VERDICTS).meta({
  id: 'Verdict',
  description:
    'From best to worst. `unsupported`: the cluster lacks what is asked for. `inconclusive`: nobody can say. `error`: the judge itself failed, or nothing was selected.',
});
export type Verdict = z.infer<typeof Verdict>;

export const Evidence = z
  .object({
    label: z.string().describe('What was looked at: a tap, the API of a node, a client.'),
    detail: z.string().describe('What was seen there, or a file of the run with a line range.'),
    file: z.string().optional().describe('Relative to the directory of the run.'),
  })
  .meta({ id: 'Evidence', description: 'A pointer into what was observed.' });
export type Evidence = z.infer<typeof Evidence>;

export const FailoverClient = z
  .object({
    client: z.string(),
    part: z
      .enum(['untouched', 'waits', 'returns', 'publishes'])
      .describe(
        'What is asked of it: `untouched` notices nothing; `waits` keeps its connection and may see a gap; `returns` loses its connection and comes back by itself; `publishes` is an encoder that comes back.',
      ),
    lastGood: z
      .number()
      .nullable()
      .describe('Its last new frame before the gap, ms after the fault; null when it had none.'),
    firstGood: z
      .number()
      .nullable()
      .describe('Its first new frame after the gap, ms after the fault; null when none came any more.'),
    gap: z.number().describe('Longest time without a new frame since the fault, ms.'),
    bound: z.number().describe('What the gap may be at the most, ms, or `firstGood` after the cure.'),
    since: z.enum(['fault', 'cure']).describe('What `bound` counts from.'),
    lost: z.number().int().nonnegative().describe('Video frames that were sent and never came.'),
    unsent: z
      .number()
      .int()
      .nonnegative()
      .describe('Video frames that were encoded while the encoder had no connection.'),
    doubled: z
      .number()
      .int()
      .nonnegative()
      .describe('Video frames that came again, or after newer ones, without a new connection.'),
    sessions: z.number().int().nonnegative().describe('Connections that it made or tried since the fault.'),
  })
  .meta({ id: 'FailoverClient', description: 'What a fault did to one client.' });
export type FailoverClient = z.infer<typeof FailoverClient>;

export const FailoverTimeline = z
  .object({
    fault: z.string().describe('What was done, and to whom: `kill origin`.'),
    at: z.string().describe('When, ISO 8601. All other times are ms after it.'),
    cured: z
      .number()
      .nullable()
      .describe(
        'From then on the stream could be had again, as far as the check is concerned; null when it lasted.',
      ),
    marks: z
      .array(z.object({ ms: z.number(), what: z.string() }))
      .describe('What happened besides: further faults, controls, encoders that came back.'),
    clients: z.array(FailoverClient),
    gap: Distribution.describe('Of the gaps of all clients but encoders, in ms.'),
    connections: z
      .array(
        z.object({
          second: z.number().int().describe('After the fault.'),
          opened: z.number().int(),
          refused: z.number().int(),
        }),
      )
      .optional()
      .describe(
        'Connections that nodes tried to others, as the taps saw them. Left out where they are not bounded.',
      ),
    storm: z
      .object({
        worst: z.number().int().describe('Most connections that one node tried within a second.'),
        node: z.string().describe('Which; empty when none did.'),
        bound: z.number().int().describe('How many it may try.'),
      })
      .optional()
      .describe('Reconnects after the fault. Left out where they are not bounded.'),
  })
  .meta({ id: 'FailoverTimeline', description: 'What a fault did to the clients of a cluster, and when.' });
export type FailoverTimeline = z.infer<typeof FailoverTimeline>;

export const Finding = z
  .object({
    check: z.string().describe('`area/slug`: stable, never positional.'),
    title: z.string().optional().describe('What the check is about, in one sentence.'),
    level: z.enum(['must', 'should']).optional().describe('How strong the requirement is.'),
    spec: z
      .object({
        source: z.string().describe('The document.'),
        where: z.string().describe('Its section or chapter.'),
        says: z.string().describe('The requirement, in our own words.'),
      })
      .optional()
      .describe('The document that asks for it.'),
    topology: z.string().describe('The cluster; `external` when it is not ours.'),
    engine: z.string().describe('The program that played the media roles; `unknown` when it is not ours.'),
    mutant: z
      .string()
      .optional()
      .describe(
        'The mutant that the cluster was started with; left out for a healthy one. With a mutant, `verdict` is the verdict of the proof: `pass` when the check turned red and so killed the mutant, `fail` when the mutant survived.',
      ),
    verdict: Verdict,
    expected: z.string().describe('What the requirement asks for, in this run.'),
    actual: z.string().describe('What was observed. May hold text that a server sent.'),
    evidence: z.array(Evidence).describe('Where it was observed. May hold text that a server sent.'),
    durationMs: z.number().nonnegative(),
    timeline: FailoverTimeline.optional().describe('Only of checks that put a node or a link out of order.'),
    starvation: Starvation.optional().describe(
      'Only where the verdict is `inconclusive` because others had the CPUs.',
    ),
  })
  .meta({ id: 'Finding', description: 'One requirement, judged on one cluster.' });
export type Finding = z.infer<typeof Finding>;

export const LoadSecond = z
  .object({
    second: z.number().describe('Since the start of the run.'),
    joined: z.number().describe('So far.'),
    failed: z.number().describe('So far.'),
    mbitPerSecond: z.number(),
    latencyP50: z.number().nullable().describe('ms, steady state, of the frames of this second.'),
    latencyP99: z.number().nullable().describe('ms, steady state, of the frames of this second.'),
    latencyHdr: z
      .string()
      .optional()
      .describe('All of them, as in `Distribution`. Only of a shard: its seconds can be added.'),
    stalls: z.number().describe('Stalls that began in this second.'),
    loopLagMs: z.number().describe('Event-loop lag of the worst worker in this second.'),
  })
  .meta({ id: 'LoadSecond', description: 'One second of a load.' });
export type LoadSecond = z.infer<typeof LoadSecond>;

const Requests = {
  requests: z.number().int().describe('Answered or not, without those that were only sent again.'),
  failed: z.number().int().describe('Without a whole, readable answer.'),
  missing: z.number().int().describe('Of the failed ones: answered with 404.'),
  bytes: z.number().describe('Of the bodies.'),
};

export const HlsLoad = z
  .object({
    playlists: z.object({
      ...Requests,
      time: Distribution.describe('From the request to the end of the body.'),
      staleness: Distribution.describe(
        'For how long a media playlist had been the same when it came, as its player saw it; 0 for a new one.',
      ),
    }),
    segments: z.object({
      ...Requests,
      time: Distribution.describe('From the request to the end of the body.'),
    }),
    retries: z.number().int().describe('Requests made again because the answer was missing or not whole.'),
    resends: z
      .number()
      .int()
      .describe('Requests sent once more because the server had closed the connection that was kept.'),
    finished: z.number().int().describe('Players that played to `EXT-X-ENDLIST`; they are not dropped.'),
    problems: z
      .record(z.string(), z.number().int())
      .describe('What players bore and counted: a stable code such as `hls.gap`, and how often.'),
    targetDurationMs: z
      .number()
      .describe('The longest that any media playlist named; 0 when there was none.'),
  })
  .meta({ id: 'HlsLoad', description: 'What the HLS players of a load asked for and got.' });
export type HlsLoad = z.infer<typeof HlsLoad>;

const Counter = z.number().int().nonnegative();

export const SrtLoad = z
  .object({
    players: Counter.describe('That were ever connected.'),
    packets: z.object({
      received: Counter.describe('Data packets that came for the first time.'),
      retransmitted: Counter.describe('Of those with the retransmission flag.'),
      lost: Counter.describe(
        'Missing when a later one came: lost on the way there, or overtaken. Most come after all.',
      ),
      reordered: Counter.describe('Of the lost ones: overtaken, they came by themselves.'),
      dropped: Counter.describe('Never delivered: not there when they were to be played (too-late drop).'),
      belated: Counter.describe('Came after their turn to be played.'),
      duplicated: Counter.describe('Came again.'),
      undecryptable: Counter.describe(
        'Encrypted with a key that the player has not, or not encrypted where they should be.',
      ),
      malformed: Counter.describe('Could not be parsed, or made no sense.'),
    }),
    naks: Counter.describe('Loss reports that players sent.'),
    playersWithLoss: Counter.describe('Players for which at least one packet was lost on the way.'),
    playersWithDrops: Counter.describe('Players for which at least one packet was dropped.'),
    worstDropped: Counter.describe('Most dropped packets of any one player.'),
    worst: z
      .array(
        z.object({
          rttMs: z
            .number()
            .nullable()
            .describe('Smoothed round trip time, the last one; null where none is known.'),
          lost: Counter,
          dropped: Counter,
          belated: Counter,
          naks: Counter,
        }),
      )
      .optional()
      .describe(
        'The ten players that missed most, the worst first: by dropped packets, then belated, lost, loss reports and round trip time.',
      ),
    latencyMs: z
      .number()
      .describe('Agreed on with the server; of several the highest. Every frame is held back for so long.'),
    rtt: Distribution.describe('Smoothed round trip time of every player, once a second.'),
    problems: z
      .record(z.string(), Counter)
      .describe('What players bore and counted: a stable code such as `mpegts.continuity`, and how often.'),
  })
  .meta({ id: 'SrtLoad', description: 'What the SRT players of a load received.' });
export type SrtLoad = z.infer<typeof SrtLoad>;

export const WebRtcLoad = z
  .object({
    transport: z
      .enum(['lite', 'datachannel'])
      .describe('What carried the media: the client for many players, or libdatachannel.'),
    players: Counter.describe('That were ever connected (ICE and DTLS).'),
    offers: z.object({
      requests: Counter.describe('Offers that were answered, or failed.'),
      failed: Counter.describe('Without an answer of 2xx.'),
      time: Distribution.describe('From the offer to the end of its answer.'),
    }),
    rtp: z.object({
      packets: Counter.describe('RTP packets of known payload types, duplicates included.'),
      bytes: Counter.describe('Of these, with RTP headers, without SRTP’s tag, UDP and IP.'),
      videoPackets: Counter,
      audioPackets: Counter.describe('Opus.'),
      lost: Counter.describe('Video packets that never came, or too late to be of use.'),
      recovered: Counter.describe('Video packets that were missing and came in time.'),
      late: Counter.describe('Reordered: came after one with a higher sequence number.'),
      duplicated: Counter,
      audioLost: Counter.describe('Audio packets that never came.'),
      damaged: Counter.describe('Access units with a packet missing.'),
      nacked: Counter.describe('Packets that were asked for again (NACK), each time.'),
      plis: Counter.describe('Keyframes that were asked for (PLI).'),
      malformed: Counter.describe('Packets that could not be read.'),
      unknown: Counter.describe('Packets of payload types that the answer does not name.'),
      restarts: Counter.describe('How often a source or its sequence began anew.'),
    }),
    srtp: z
      .object({
        opened: Counter.describe('Authenticated and decrypted as a whole.'),
        peeked: Counter.describe('Their first bytes were decrypted at the most, without authentication.'),
        forged: Counter.describe('Of those to be opened: could not be authenticated.'),
        replayed: Counter.describe('Of those to be opened: had come before.'),
        malformed: Counter.describe('Too short for a tag, or of no version of RTP.'),
      })
      .describe('Told by `lite` alone; all zero with `datachannel`.'),
    framesVerified: Counter.describe(
      'Video frames whose checksum was compared and was right. `lite` decrypts a sample of the frames as a whole.',
    ),
    playersWithLoss: Counter.describe('Players for which at least one video packet was lost for good.'),
    worstLost: Counter.describe('Most lost video packets of any one player.'),
    jitter: Distribution.describe(
      'Interarrival jitter of video (RFC 3550 6.4.1) of every player, once a second.',
    ),
    problems: z
      .record(z.string(), Counter)
      .describe('What players bore and counted: a stable code such as `signalling.location`, and how often.'),
  })
  .meta({ id: 'WebRtcLoad', description: 'What the WHEP players of a load asked for and received.' });
export type WebRtcLoad = z.infer<typeof WebRtcLoad>;

export const LoadShard = z
  .object({
    index: z.number().int().nonnegative().describe('From 0 on.'),
    of: z.number().int().positive().describe('How many shards there are.'),
    clients: z.number().int().describe('Of all shards.'),
    rampMs: z.number(),
    durationMs: z.number().describe('After the ramp.'),
    startedAt: z
      .string()
      .nullable()
      .describe('When its first client was opened, ISO 8601; null when it was interrupted before.'),
  })
  .meta({ id: 'LoadShard', description: 'Which part of a load one generator of several was.' });
export type LoadShard = z.infer<typeof LoadShard>;

export const Load = z
  .object({
    urls: z.array(z.string()).describe('Clients are spread over these evenly.'),
    seconds: z.number().describe('From the first client to the end, ramp included.'),
    shard: LoadShard.optional().describe(
      'Only of `load --shard`; all other figures are those of this shard.',
    ),
    clients: z.object({
      requested: z.number().int(),
      joined: z.number().int().describe('Got their first keyframe.'),
      failed: z
        .number()
        .int()
        .describe('Never joined, `no-keyframe.…` among them: still waiting at the end.'),
      dropped: z.number().int().describe('Joined, then lost before the end.'),
    }),
    reasons: z
      .record(z.string(), z.number().int())
      .describe('Why clients failed or dropped: a stable code, and how many.'),
    bytes: z.number().describe('Read from all sockets.'),
    startup: Distribution.describe('From opening to the first frame that the player model shows.'),
    latency: z
      .object({
        join: Distribution.describe(
          'Frames of a join, which are old by design (GOP cache, HLS segments from before the player came).',
        ),
        steady: Distribution.describe('All frames after that.'),
      })
      .describe('From the clock in the stamp of a frame to its arrival, of every client.'),
    stalls: z.object({
      count: z.number().int(),
      ratio: z.number().describe('Stalled / (played + stalled) time, startup excluded (CTA-2066).'),
      lasting: z.number().int().describe('Players whose picture had stood still for 2 s or more at the end.'),
      ofUrls: z
        .array(
          z.object({
            there: z.number().int().describe('Players that joined and were not lost.'),
            lasting: z.number().int().describe('Of these, whose picture had stood still.'),
          }),
        )
        .optional()
        .describe('In the order of `urls`. Whole streams that stand still may have lost their publisher.'),
      stalledMs: z.number().optional().describe('Of all players.'),
      watchedMs: z.number().optional().describe('Of all players: played and stalled.'),
    }),
    frames: z
      .object({
        received: z.number().describe('With and without a stamp.'),
        unstamped: z.number().describe('Counted in `received` and judged by nothing else.'),
        missing: z.number(),
        duplicated: z.number(),
        reordered: z.number(),
        corrupt: z.number().describe('The checksum in the stamp differs from that of the slices.'),
      })
      .describe('Video frames of all clients.'),
    generator: GeneratorHealth,
    timeline: z.array(LoadSecond),
    hls: HlsLoad.optional().describe('Only when one of the players (of a shard, of its own) plays HLS.'),
    srt: SrtLoad.optional().describe('Only when one of the players (of a shard, of its own) plays SRT.'),
    webrtc: WebRtcLoad.optional().describe(
      'Only when one of the players (of a shard, of its own) plays WHEP.',
    ),
  })
  .meta({ id: 'Load', description: 'The figures of many players.' });
export type Load = z.infer<typeof Load>;

const RoundTrip = z.number().nullable();

export const SrtPublisher = z
  .object({
    rttMs: RoundTrip.describe('Smoothed round trip time; in all the mean.'),
    sent: Counter.describe('Data packets, for the first time.'),
    retransmitted: Counter,
    naks: Counter.describe('Loss reports of the server.'),
    reportedLost: Counter.describe('Packets that they named, each time.'),
    dropped: Counter.describe('Given up by the publisher: too old to be of use.'),
  })
  .meta({ id: 'SrtPublisher', description: 'What an SRT publisher sent and was asked for.' });
export type SrtPublisher = z.infer<typeof SrtPublisher>;

export const WebRtcPublisher = z
  .object({
    rttMs: RoundTrip.describe('Round trip time by the last report of the server; in all the mean.'),
    sent: Counter.describe('RTP packets, those that were sent again included.'),
    retransmitted: Counter,
    naks: Counter.describe('Loss reports of the server (NACK).'),
    forgotten: Counter.describe('Packets that were asked for and not kept any more.'),
    keyframeRequests: Counter.describe('Keyframes that the server asked for (PLI, FIR).'),
    reportedLost: z.number().int().describe('Packets of video that the server misses, by its last report.'),
    refused: Counter.describe('Packets that could not be sent.'),
  })
  .meta({ id: 'WebRtcPublisher', description: 'What a WHIP publisher sent and was asked for.' });
export type WebRtcPublisher = z.infer<typeof WebRtcPublisher>;

export const Publish = z
  .object({
    urls: z.array(z.string()).describe('One per stream.'),
    seconds: z.number().describe('How long it was published.'),
    clients: z.object({
      requested: z.number().int(),
      joined: z.number().int().describe('Were accepted by the server.'),
      failed: z.number().int().describe('Were never accepted.'),
      dropped: z.number().int().describe('Were accepted, then lost before the end.'),
    }),
    reasons: z
      .record(z.string(), z.number().int())
      .describe('Why streams failed or dropped: a stable code, and how many.'),
    frames: z.number().describe('Video frames sent, of all streams.'),
    bytes: z.number().describe('Sent, of all streams.'),
    lag: Distribution.describe('By how much frames were sent later than due.'),
    untaken: z
      .object({
        boundMs: z.number().describe('What is allowed.'),
        worstMs: z
          .number()
          .describe(
            'At any time, of the stream that waited longest; what the own event loop was late is not in it.',
          ),
        lastMs: z.number().describe('At the end, of the streams that were open then.'),
        lateMs: z.number().describe('As `worstMs`, with what the own event loop was late.'),
        streams: Counter.describe('Streams that waited for longer than `boundMs`.'),
      })
      .optional()
      .describe(
        'How long frames that were due were not sent, because the server had not taken what was sent before them, ms.',
      ),
    generator: GeneratorHealth,
    srt: z
      .object({
        total: SrtPublisher,
        publishers: z.array(SrtPublisher).describe('In the order of the URLs.'),
      })
      .optional()
      .describe('Only over SRT.'),
    webrtc: z
      .object({
        total: WebRtcPublisher,
        publishers: z.array(WebRtcPublisher).describe('In the order of the URLs.'),
      })
      .optional()
      .describe('Only over WHIP.'),
  })
  .meta({ id: 'Publish', description: 'The figures of many publishers.' });
export type Publish = z.infer<typeof Publish>;

export const Environment = z
  .object({
    liveproof: z.string().describe('Version.'),
    node: z.string().describe('Version.'),
    os: z.string(),
    cpu: z.string(),
    cores: z.number().int(),
    memoryGb: z.number(),
    programs: z.record(z.string(), z.string()).describe('Programs that took part, with their versions.'),
  })
  .meta({ id: 'Environment', description: 'Where the run took place.' });
export type Environment = z.infer<typeof Environment>;

export const HistoryFile = z
  .object({
    file: z.string().describe('Relative to the directory of the run.'),
    lines: z.number().int().nonnegative(),
  })
  .meta({ id: 'HistoryFile', description: 'The history of a run: one event per line, as JSON.' });
export type HistoryFile = z.infer<typeof HistoryFile>;

export const MergedRun = z
  .object({
    directory: z.string(),
    shard: z.number().int().optional().describe('Its index, of a load.'),
    verdict: Verdict,
    startedAt: z.string().describe('ISO 8601.'),
    environment: Environment,
  })
  .meta({ id: 'MergedRun', description: 'One run of those that were merged.' });
export type MergedRun = z.infer<typeof MergedRun>;

export const Results = z.object({
  schema: z.literal('liveproof/results@1'),
  kind: z.enum(['gate', 'mutants', 'load', 'publish', 'bench', 'k6', 'browser']),
  verdict: Verdict.describe('The worst of the findings.'),
  startedAt: z.string().describe('ISO 8601.'),
  durationMs: z.number(),
  interrupted: z
    .boolean()
    .describe('True when the run was interrupted; what was measured until then is here.'),
  notes: z
    .array(z.string())
    .optional()
    .describe('What was left out, and why: a topology that cannot run on this machine, say.'),
  command: z.array(z.string()).describe('The command line.'),
  merged: z.array(MergedRun).optional().describe('Only of `liveproof merge`: what it was made of.'),
  environment: Environment,
  findings: z.array(Finding),
  bystanders: z.array(Bystander).optional().describe('Only of `liveproof mutants --all-checks`.'),
  load: Load.optional().describe('Only for a load.'),
  publish: Publish.optional().describe('Only for publishers.'),
  bench: Bench.optional().describe('Only for a benchmark.'),
  k6: K6.optional().describe('Only of scripts that k6 runs.'),
  clusters: z.array(ClusterFigures).optional().describe('Only of a gate: the healthy clusters that came up.'),
  health: GateHealth.optional().describe('Only of a gate and of mutants, as soon as a check has run.'),
  browser: Browser.optional().describe('Only of a run in the browser.'),
  history: HistoryFile.optional().describe('Only when a history was kept.'),
});
export type Results = z.infer<typeof Results>;

/** The worst one wins; nothing selected is an error, never a pass. */
export function worstVerdict(verdicts: readonly Verdict[]): Verdict {
  let worst: Verdict | undefined;
  for (const verdict of verdicts) {
    if (worst === undefined || VERDICTS.indexOf(verdict) > VERDICTS.indexOf(worst)) worst = verdict;
  }
  return worst ?? 'error';
}
