/** Some checks put a server of their own before the cluster; its nodes have to get there. */
import { LabError, LabErrorCode } from '../../lab/errors.ts';
import type { CheckContext } from '../check.ts';

/** Throws `lab.absent`, which makes the check unsupported, where they do not. */
export function requireReach({ cluster }: CheckContext): void {
  if (cluster.capabilities.has('reaches.checks')) return;
  const why =
    cluster.lacks?.get('reaches.checks') ?? 'nodes do not reach what a check listens to on loopback';
  throw new LabError(LabErrorCode.Absent, why);
}
