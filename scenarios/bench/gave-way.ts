/** Who gave way at a step of a ladder. Pure. */
import type { BenchLadder, BenchStep } from '../../reports/results-bench.ts';
import type { Climbed } from './ladder.ts';

/**
 * Of all cores of the machine. Above it a node that waits for a core cannot be told from one that is slow: a queue that is
 * served at 90 % waits ten times its service time.
 */
export const MAX_MACHINE_SHARE = 0.9;

type Ending = Pick<BenchLadder, 'largest' | 'failedAt' | 'lowerBound' | 'gaveWay' | 'why'>;

export function endingOf(
  { largest, failed, end }: Climbed<BenchStep>,
  { limit, cores }: { readonly limit: number; readonly cores: number },
): Ending {
  const held = { largest: largest?.value ?? null, failedAt: failed?.value ?? null };
  if (failed === undefined) {
    const why =
      end === 'limit'
        ? `all held up to the limit of the ladder, ${limit}`
        : 'its time was over before anything gave way';
    return { ...held, lowerBound: true, gaveWay: 'nobody', why };
  }
  const gaveWay = sideOf(failed);
  const { value, breaches, generator, server, machineShare } = failed;
  const at = `at ${value}: ${[...breaches, ...generator.reasons].join('; ')}`;
  const share = `${Math.round(machineShare * 100)} % of the machine’s ${cores} cores were busy`;
  const own = `servers took ${server.cores.toFixed(1)}, the generator ${generator.cpuCores.toFixed(1)}`;
  const whys = {
    server: `${at}, with a healthy generator; ${share}`,
    generator: `${at}: the generator was unhealthy, and the cluster may carry more; ${share}`,
    machine: `${at}; ${share}, of which ${own}: nobody can tell a slow server from one that waits for a core`,
  };
  const early = end === 'time' ? '; time was over before it was narrowed down' : '';
  return { ...held, lowerBound: gaveWay !== 'server' || end === 'time', gaveWay, why: whys[gaveWay] + early };
}

function sideOf({ generator, machineShare }: BenchStep): 'server' | 'generator' | 'machine' {
  if (machineShare > MAX_MACHINE_SHARE) return 'machine';
  return generator.healthy ? 'server' : 'generator';
}

/** What one more player or publisher took, from the smallest to the largest step that held. */
export function perClientOf(steps: readonly BenchStep[]): BenchLadder['perClient'] {
  const held = steps.filter(({ holds }) => holds).toSorted((a, b) => a.value - b.value);
  const [first, last] = [held[0], held.at(-1)];
  if (first === undefined || last === undefined || first.value === last.value) {
    return { serverCores: null, serverKb: null, generatorCores: null, generatorKb: null };
  }
  const slope = (of: (step: BenchStep) => number): number =>
    (of(last) - of(first)) / (last.value - first.value);
  // Nodes keep what a larger number made them take, and workers end with their step.
  const isGrowth = steps.slice(0, steps.indexOf(first)).every(({ value }) => value <= first.value);
  return {
    serverCores: slope(({ server }) => server.cores),
    serverKb: isGrowth ? slope(({ server }) => server.rssMb * 1024) : null,
    generatorCores: slope(({ generator }) => generator.cpuCores),
    generatorKb: slope(({ generator }) => generator.rssMb * 1024),
  };
}
