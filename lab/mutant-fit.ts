/** Which nodes of a topology a mutant is for. */
import { MUTANTS, type Mutant, type MutantId } from './builtin/mutants.ts';
import { type EngineName, isMediaRole, type NodeSpec, type Topology } from './topology.ts';

/** Whether a node of this kind, in a cluster of this engine, can be started with the mutant. */
export function fits(id: MutantId, spec: NodeSpec, engine: EngineName): boolean {
  const mutant: Mutant = MUTANTS[id];
  switch (mutant.role) {
    case 'balancer':
      return spec.role === 'balancer';
    case 'web':
      if (spec.role !== 'web') return false;
      // An Nginx that spreads connections knows nothing of HTTP.
      return mutant.web === undefined ? spec.web !== 'stream' : mutant.web === spec.web;
    case 'proxy':
    case 'stream-manager':
      return spec.role === mutant.role;
    case 'nginx-rtmp':
      return engine === 'nginx-rtmp' && isMedia(spec);
    case 'media':
      return engine === 'builtin' && isMedia(spec);
    case 'origin':
      return engine === 'builtin' && isMedia(spec) && spec.role !== 'edge';
    default:
      return engine === 'builtin' && spec.role === mutant.role;
  }
}

/** Whether any node of the topology can have it. */
export function hasNodeFor(topology: Topology, engine: EngineName, id: MutantId): boolean {
  return topology.nodes.some((spec) => fits(id, spec, engine));
}

function isMedia({ role }: NodeSpec): boolean {
  return isMediaRole(role);
}
