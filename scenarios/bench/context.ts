/** What the parts of a benchmark share. */
import type { BenchSlo } from '../../reports/results-bench.ts';
import type { Profile } from './profile.ts';

export interface BenchContext {
  readonly profile: Profile;
  readonly slo: BenchSlo;
  readonly signal: AbortSignal;
  /** One line of progress. */
  readonly show: (line: string) => void;
}
