/** Runs of several generators or machines as one: the shards of a load, or gates of different clusters. */
import { judgeLoad } from '../../reports/judge-load.ts';
import {
  type Evidence,
  type Finding,
  type Load,
  type LoadShard,
  type MergedRun,
  type Results,
  VERDICTS,
  worstVerdict,
} from '../../reports/results.ts';
import { healthTogether } from '../gate-health.ts';
import { MergeError } from './errors.ts';
import { mergeLoads } from './load.ts';

export interface Run {
  /** Names it in what is said of it. */
  readonly directory: string;
  readonly results: Results;
}

/** Shards that begin further apart were not one load: a second is what the timeline tells apart. */
export const MAX_START_SPREAD_MS = 1000;

/**
 * Pure; histories are joined by joinHistories. The verdict is the worst of what is judged of all together and of each.
 * @param command the command line of the merge.
 * @throws MergeError when the runs do not belong together.
 */
export function mergeRuns(runs: readonly Run[], command: readonly string[]): Results {
  const [first, ...others] = runs;
  if (first === undefined) throw new MergeError('no run');
  const { kind, environment } = first.results;
  for (const { directory, results } of others) {
    if (results.kind !== kind)
      throw new MergeError(`${first.directory} is of kind ${kind}, ${directory} of kind ${results.kind}`);
    if (results.environment.liveproof !== environment.liveproof) {
      throw new MergeError(
        `${first.directory} is of liveproof ${environment.liveproof}, ${directory} of ${results.environment.liveproof}`,
      );
    }
  }
  const merged = kind === 'load' ? mergeShards(runs) : mergeFindings(runs, kind);
  const began = Math.min(...runs.map(({ results }) => Date.parse(results.startedAt)));
  const ended = Math.max(...runs.map(({ results }) => Date.parse(results.startedAt) + results.durationMs));
  return {
    schema: 'liveproof/results@1',
    kind,
    verdict: worstVerdict([
      ...merged.findings.map(({ verdict }) => verdict),
      ...runs.map(({ results }) => results.verdict),
    ]),
    startedAt: new Date(began).toISOString(),
    durationMs: ended - began,
    interrupted: runs.some(({ results }) => results.interrupted),
    notes: [
      `Merged from ${runs.length} runs; \`environment\` is that of ${first.directory}.`,
      ...runs.flatMap(({ directory, results }) =>
        (results.notes ?? []).map((note) => `${directory}: ${note}`),
      ),
    ],
    command: [...command],
    merged: runs.map(mergedRun),
    environment,
    ...merged,
  };
}

function mergedRun({ directory, results }: Run): MergedRun {
  const { verdict, startedAt, environment, load } = results;
  return {
    directory,
    ...(load?.shard !== undefined && { shard: load.shard.index }),
    verdict,
    startedAt,
    environment,
  };
}

interface Shard extends Run {
  readonly load: Load;
  readonly shard: LoadShard;
}

function mergeShards(runs: readonly Run[]): Pick<Results, 'findings' | 'load'> {
  const shards = runs.map(shardOf).toSorted((a, b) => a.shard.index - b.shard.index);
  requireOneLoad(shards);
  const load = mergeLoads(shards.map((shard) => shard.load));
  const interrupted = shards.some(({ results }) => results.interrupted);
  const together = judgeLoad(load, { interrupted });
  return {
    load,
    findings: [
      ...together.map((finding) => withWorse(finding, shards)),
      ...missingShards(shards, load),
      ...apart(shards, load),
    ],
  };
}

function shardOf({ directory, results }: Run): Shard {
  const { load } = results;
  if (load?.shard === undefined) {
    throw new MergeError(`${directory} is no shard: run it with --shard I/N`);
  }
  return { directory, results, load, shard: load.shard };
}

/** Every shard's share of the same clients, on the same URLs, for the same time, and none of them twice. */
function requireOneLoad([first, ...others]: readonly Shard[]): void {
  const { shard, load, directory } = first!;
  for (const other of others) {
    const differ = (what: string, mine: unknown, theirs: unknown): never => {
      throw new MergeError(
        `${directory} and ${other.directory} are no shards of one load: ${what} ${mine} and ${theirs}`,
      );
    };
    for (const name of ['of', 'clients', 'rampMs', 'durationMs'] as const) {
      if (other.shard[name] !== shard[name]) differ(name, shard[name], other.shard[name]);
    }
    const urls = [load.urls, other.load.urls].map((list) => list.join(' '));
    if (urls[0] !== urls[1]) differ('URLs', urls[0], urls[1]);
  }
  const all = [first!, ...others];
  for (const [at, one] of all.entries()) {
    const twin = all.slice(0, at).find((other) => other.shard.index === one.shard.index);
    if (twin === undefined) continue;
    throw new MergeError(`${twin.directory} and ${one.directory} are both shard ${one.shard.index}`);
  }
}

/** What one shard says of a requirement may be worse than what all say together: it stays. */
function withWorse(finding: Finding, shards: readonly Shard[]): Finding {
  const said = shards.flatMap(({ shard, results }) =>
    results.findings
      .filter(({ check }) => check === finding.check)
      .map(({ verdict, actual }) => ({
        verdict,
        label: `shard ${shard.index}`,
        detail: `${verdict}: ${actual}`,
      })),
  );
  const rank = VERDICTS.indexOf(finding.verdict);
  const worse = said.filter(({ verdict }) => VERDICTS.indexOf(verdict) > rank);
  if (worse.length === 0) return finding;
  return {
    ...finding,
    verdict: worstVerdict(worse.map(({ verdict }) => verdict)),
    evidence: [...finding.evidence, ...worse.map(({ label, detail }) => ({ label, detail }))],
  };
}

function missingShards(shards: readonly Shard[], load: Load): Finding[] {
  const { of } = shards[0]!.shard;
  const there = new Set(shards.map(({ shard }) => shard.index));
  const missing = Array.from({ length: of }, (_, index) => index).filter((index) => !there.has(index));
  return [
    merging('shards', 'Every shard is there', load, {
      verdict: missing.length > 0 ? 'inconclusive' : 'pass',
      expected: `shards 0 to ${of - 1}`,
      actual: missing.length > 0 ? `without ${missing.join(', ')}` : `all ${of}`,
    }),
  ];
}

function apart(shards: readonly Shard[], load: Load): Finding[] {
  const starts = shards.flatMap(({ shard }) => (shard.startedAt === null ? [] : Date.parse(shard.startedAt)));
  const unknown = starts.length < shards.length;
  const spread = starts.length === 0 ? 0 : Math.max(...starts) - Math.min(...starts);
  return [
    merging('together', 'All shards begin at the same time', load, {
      verdict: unknown || spread > MAX_START_SPREAD_MS ? 'inconclusive' : 'pass',
      expected: `within ${MAX_START_SPREAD_MS} ms (--start-at)`,
      actual: unknown ? `${shards.length - starts.length} never began` : `${spread} ms apart`,
    }),
  ];
}

function merging(
  slug: string,
  title: string,
  load: Load,
  said: Pick<Finding, 'verdict' | 'expected' | 'actual'>,
): Finding {
  return {
    check: `merge/${slug}`,
    title,
    topology: 'external',
    engine: 'unknown',
    ...said,
    evidence: [],
    durationMs: load.seconds * 1000,
  };
}

/** Files of evidence stay where they are: no path of the merged report leads there. */
function leftIn(directory: string): (evidence: Evidence) => Evidence {
  return ({ label, detail, file }) =>
    file === undefined ? { label, detail } : { label, detail: `${detail} (${directory}/${file})` };
}

/** What the lab says, and no check. */
const LAB_UP = 'lab/up';

/** Gates of different clusters, engines or checks. */
function mergeFindings(
  runs: readonly Run[],
  kind: Results['kind'],
): Pick<Results, 'findings' | 'clusters' | 'bystanders' | 'health'> {
  if (kind !== 'gate' && kind !== 'mutants') {
    throw new MergeError(`runs of kind ${kind} cannot be merged: their percentiles have no histograms`);
  }
  const seen = new Map<string, string>();
  for (const { directory, results } of runs) {
    for (const { check, topology, engine, mutant } of results.findings) {
      // Of a cluster that does not come up each run tells, and one of several clusters each time.
      if (check === LAB_UP) continue;
      const name = [check, topology, engine, mutant].filter((part) => part !== undefined).join(' ');
      const twin = seen.get(name);
      if (twin !== undefined) throw new MergeError(`${twin} and ${directory} both judge ${name}`);
      seen.set(name, directory);
    }
  }
  const clusters = runs.flatMap(({ results }) => results.clusters ?? []);
  const bystanders = runs.flatMap(({ results }) => results.bystanders ?? []);
  const health = healthTogether(runs.flatMap(({ results }) => results.health ?? []));
  return {
    findings: runs.flatMap(({ directory, results }) =>
      results.findings.map((finding) => ({ ...finding, evidence: finding.evidence.map(leftIn(directory)) })),
    ),
    ...(clusters.length > 0 && { clusters }),
    ...(bystanders.length > 0 && { bystanders }),
    ...(health !== undefined && { health }),
  };
}
