/** The part of `results.json` that a benchmark leaves. */
import { z } from 'zod';
import { Distribution, GeneratorHealth } from './results-shared.ts';

const Count = z.number().int().nonnegative();
const Share = z.number().min(0);

const Reasons = z
  .record(z.string(), Count)
  .describe('Why clients failed or dropped: a stable code, and how many.');

const Place = {
  topology: z.string(),
  engine: z.string().describe('The program that played the media roles.'),
};

export const BenchSlo = z
  .object({
    joined: z.number().describe('Least share of the clients that must join.'),
    stalls: z.number().describe('Most of the time that players may stand still, as a ratio.'),
    loss: z
      .number()
      .describe('Most of the video frames that may be missing, corrupt or out of order, as a ratio.'),
    latencyMs: z
      .record(z.string(), z.number())
      .describe('By protocol: steady latency that 99 % of the frames must not exceed.'),
    startupMs: z.number().describe('Startup that 99 % of the players must not exceed; asked of joins only.'),
  })
  .meta({ id: 'BenchSlo', description: 'What a cluster must hold to carry a load.' });
export type BenchSlo = z.infer<typeof BenchSlo>;

export const BenchServer = z
  .object({
    cores: z.number().describe('Of all nodes together, while the load was steady.'),
    rssMb: z.number().describe('Of all nodes together, at the end.'),
    nodes: z.array(z.object({ name: z.string(), role: z.string(), cores: z.number(), rssMb: z.number() })),
  })
  .meta({ id: 'BenchServer', description: 'What the nodes of a cluster took, from /proc.' });
export type BenchServer = z.infer<typeof BenchServer>;

export const BenchLatency = z
  .object({
    ...Place,
    protocol: z.string(),
    at: z.string().describe('The node that was played from.'),
    players: Count,
    repetitions: Count.describe('Runs that these figures are of, together.'),
    discarded: Count.describe(
      'Runs that were left out, because the generator was unhealthy. When it was so in all of them none is left out.',
    ),
    joined: Count.describe('Of all repetitions together, as are `failed` and `dropped`.'),
    failed: Count,
    dropped: Count,
    reasons: Reasons,
    startup: Distribution,
    steady: Distribution,
    stalls: z.object({ count: Count, ratio: Share }),
    frames: z.object({ received: Count, missing: Count, faulty: Count.describe('Corrupt or out of order.') }),
    server: BenchServer.nullable().describe(
      'Mean of the repetitions; null for one player, as those of all protocols play side by side.',
    ),
    machineShare: z
      .number()
      .describe('Of all cores of the machine that were busy, with whatever; mean of the repetitions.'),
    breaches: z.array(z.string()).describe('What of the SLO was not held; empty when all was.'),
    generator: GeneratorHealth.describe('The worst of the repetitions.'),
    samples: z
      .record(z.string(), z.array(z.number()))
      .describe('By metric, a value for each repetition: what baselines compare.'),
  })
  .meta({ id: 'BenchLatency', description: 'Latency of one protocol, at one size.' });
export type BenchLatency = z.infer<typeof BenchLatency>;

export const BenchStep = z
  .object({
    value: z.number().describe('Players, publishers, or joins per second.'),
    holds: z.boolean().describe('The SLO was held, and the generator was healthy.'),
    breaches: z.array(z.string()).describe('What of the SLO was not held.'),
    reasons: Reasons,
    joinedShare: Share,
    stallRatio: Share,
    lossRatio: Share,
    latencyP99: z.number().nullable().describe('Steady, ms.'),
    startupP99: z.number().nullable().describe('ms.'),
    mbitPerSecond: z.number(),
    server: BenchServer,
    machineShare: z.number().describe('Of all cores of the machine that were busy, with whatever.'),
    generator: GeneratorHealth,
  })
  .meta({ id: 'BenchStep', description: 'One step of a ladder.' });
export type BenchStep = z.infer<typeof BenchStep>;

export const GAVE_WAY = ['server', 'generator', 'machine', 'nobody'] as const;

export const BenchLadder = z
  .object({
    ...Place,
    climbs: z.enum(['players', 'publishers', 'joins']),
    protocol: z.string(),
    at: z.string().describe('The node that was played from, or published to.'),
    steps: z.array(BenchStep).describe('In the order in which they were tried.'),
    largest: z.number().nullable().describe('That held the SLO; null when none did.'),
    failedAt: z.number().nullable().describe('The smallest that did not hold; null when all did.'),
    lowerBound: z
      .boolean()
      .describe('The cluster may carry more: it was not the server that gave way, or time was over.'),
    gaveWay: z
      .enum(GAVE_WAY)
      .describe(
        '`server`: it broke the SLO while the generator was healthy and the machine had cores to spare. `generator`: it was unhealthy. `machine`: its cores were busy, with server, generator and whatever else ran there, so that nobody can tell. `nobody`: the limit of the ladder, or its time, came first.',
      ),
    why: z.string().describe('In words.'),
    perClient: z
      .object({
        serverCores: z.number().nullable(),
        serverKb: z.number().nullable(),
        generatorCores: z.number().nullable(),
        generatorKb: z.number().nullable(),
      })
      .describe(
        'From the smallest to the largest step that held: what one more client took. Null with one step.',
      ),
  })
  .meta({ id: 'BenchLadder', description: 'How much a cluster carries of one thing, and the curve.' });
export type BenchLadder = z.infer<typeof BenchLadder>;

export const BenchAbsent = z
  .object({
    ...Place,
    climbs: z.enum(['players', 'publishers', 'joins']),
    protocol: z.string(),
    why: z.string(),
  })
  .meta({
    id: 'BenchAbsent',
    description: 'A ladder that was not climbed, as the engine does not offer what it climbs.',
  });
export type BenchAbsent = z.infer<typeof BenchAbsent>;

export const BenchEconomics = z
  .object({
    ...Place,
    protocol: z.string(),
    at: z.string().describe('The node that was played from.'),
    variant: z.enum(['merged', 'unmerged']).describe('`unmerged`: the mutant edge-pulls-per-player.'),
    requested: Count.optional().describe('Viewers that were sent.'),
    mergers: z
      .array(z.string())
      .optional()
      .describe(
        'Nodes behind the entry that fetch a stream once for all its players, next to the origins: edges, or an HLS cache. Empty where a way has none: through a proxy, or at an origin itself.',
      ),
    players: Count.describe('Viewers that joined.'),
    seconds: z.number(),
    viewerBytes: z.number().describe('That players read.'),
    originBytes: z
      .number()
      .describe(
        'That left origins for other nodes, as the taps counted; at an origin itself what its players read.',
      ),
    pulls: Count.describe(
      'Connections to origins that players had opened at most, by the taps; at an origin itself its players. Of RTMP without those that ended within 300 ms: an origin sent them elsewhere.',
    ),
    perViewerByte: z.number().nullable().describe('originBytes / viewerBytes.'),
    samples: z
      .array(z.number())
      .optional()
      .describe(
        'The same of every second after the first: what baselines compare. Empty with an unhealthy generator.',
      ),
    healthy: z.boolean().optional().describe('The generator had time to spare.'),
  })
  .meta({ id: 'BenchEconomics', description: 'What a cluster fetches from its origins for what it serves.' });
export type BenchEconomics = z.infer<typeof BenchEconomics>;

export const BenchClaim = z
  .object({
    id: z.string(),
    engine: z.string(),
    source: z.string().describe('Where it was published.'),
    says: z.string().describe('What was published, in our own words.'),
    measured: z.string().describe('What was seen here.'),
    comparison: z
      .enum(['holds', 'differs', 'beside', 'not-measured'])
      .describe(
        '`beside`: another program, machine or stream, so that the figures stand side by side and nothing follows.',
      ),
    note: z.string().describe('What is different here, and what was not measured.'),
  })
  .meta({ id: 'BenchClaim', description: 'A published figure, and ours.' });
export type BenchClaim = z.infer<typeof BenchClaim>;

export const BenchChange = z
  .object({
    metric: z
      .string()
      .describe(
        '`topology/engine/protocol/players/name`; of what origins send the protocol is `protocol@node`.',
      ),
    unit: z.string(),
    before: z.number().describe('Median.'),
    after: z.number().describe('Median.'),
    ratio: z.number().nullable().describe('after / before; null when before is 0.'),
    low: z.number().describe('Of the interval of the difference of the medians.'),
    high: z.number(),
    says: z
      .enum(['better', 'worse', 'noise', 'inconclusive'])
      .describe(
        '`noise`: within the noise of repeated runs. `inconclusive`: another machine, or too few runs.',
      ),
    why: z
      .string()
      .optional()
      .describe('Of an `inconclusive` one that would be a change if the baseline had more runs.'),
  })
  .meta({ id: 'BenchChange', description: 'One metric beside that of the baseline.' });
export type BenchChange = z.infer<typeof BenchChange>;

export const BenchComparison = z
  .object({
    baseline: z.string().describe('The file.'),
    sameMachine: z.boolean(),
    runs: Count.optional().describe('That the baseline is of.'),
    differs: z.array(z.string()).describe('What of the machine or the profile is another.'),
    changes: z.array(BenchChange),
    absent: z.array(z.string()).describe('Metrics of the baseline that this run did not measure.'),
  })
  .meta({ id: 'BenchComparison', description: 'A run beside a baseline.' });
export type BenchComparison = z.infer<typeof BenchComparison>;

export const Bench = z
  .object({
    profile: z.string(),
    slo: BenchSlo,
    bitrate: z.number().describe('Of the published stream, bit/s.'),
    latency: z.array(BenchLatency),
    ladders: z.array(BenchLadder),
    absent: z.array(BenchAbsent).optional().describe('Ladders that the engine does not offer.'),
    economics: z.array(BenchEconomics),
    claims: z.array(BenchClaim),
    problems: z
      .array(z.object({ ...Place, part: z.string(), what: z.string() }))
      .describe('What could not be measured, and why.'),
    comparison: BenchComparison.optional().describe('Only with a baseline.'),
  })
  .meta({ id: 'Bench', description: 'The figures of a benchmark.' });
export type Bench = z.infer<typeof Bench>;
