/** Who gave way at a step of a ladder. Pure. */
import type { BenchLadder, BenchStep } from '../../reports/results-bench.ts';
import type { Climbed } from './ladder.ts';

/**
 * Of all cores of the machine. Above it a node that waits for a core cannot be told from one that is slow: a queue that is
 * served at 90 % waits ten times its service time.
 */
export const MAX_MACHINE_SHARE = 0.9;

type Ending = Pick<BenchLadder, 'largest' | 'failedAt' | 'lowerBound' | 'gaveWay' | 'why'>;

export function endingOf({ largest, failed, end }: Climbed<BenchStep>, limit: number): Ending {
  const held = { largest: largest?.value ?? null, failedAt: failed?.value ?? null };
  if (failed === undefined) {
    const why =
      end === 'limit'
        ? `all held up to the limit of the ladder, ${limit}`
        : 'its time was over before anything gave way';
    return { ...held, lowerBound: true, gaveWay: 'nobody', why };
  }
  const gaveWay = sideOf(failed);
  const at = `at ${failed.value}: ${[...failed.breaches, ...failed.generator.reasons].join('; ')}`;
  const share = `${Math.round(failed.machineShare * 100)} % of the machine’s cores were busy`;
  const whys = {
    server: `${at}, with a healthy generator; ${share}`,
    generator: `${at}: the generator was unhealthy, and the cluster may carry more`,
    machine: `${at}; server and generator share the machine, and ${share}`,
  };
  const early = end === 'time' ? '; time was over before it was narrowed down' : '';
  return { ...held, lowerBound: gaveWay !== 'server' || end === 'time', gaveWay, why: whys[gaveWay] + early };
}

function sideOf({ generator, machineShare }: BenchStep): 'server' | 'generator' | 'machine' {
  if (!generator.healthy) return 'generator';
  return machineShare > MAX_MACHINE_SHARE ? 'machine' : 'server';
}

/** What one more client took, from the smallest to the largest step that held. */
export function perClientOf(steps: readonly BenchStep[]): BenchLadder['perClient'] {
  const held = steps.filter(({ holds }) => holds).toSorted((a, b) => a.value - b.value);
  const [first, last] = [held[0], held.at(-1)];
  if (first === undefined || last === undefined || first.value === last.value) {
    return { serverCores: null, serverKb: null, generatorCores: null, generatorKb: null };
  }
  const slope = (of: (step: BenchStep) => number): number =>
    (of(last) - of(first)) / (last.value - first.value);
  return {
    serverCores: slope(({ server }) => server.cores),
    serverKb: slope(({ server }) => server.rssMb * 1024),
    generatorCores: slope(({ generator }) => generator.cpuCores),
    generatorKb: slope(({ generator }) => generator.rssMb * 1024),
  };
}
