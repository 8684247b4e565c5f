import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { MUTANTS } from '../../lab/builtin/mutants.ts';
import { hasNodeFor } from '../../lab/mutant-fit.ts';
import { TOPOLOGIES, topologyByName } from '../../lab/topologies/index.ts';
import { enginesOf } from '../../lab/topology.ts';
import { CHECKS } from '../../scenarios/conformance/index.ts';
import { CHECKS_PAGE, renderChecks } from '../../scenarios/docs.ts';

test('every check has an id of its own, a source, a topology that exists, and a mutant', () => {
  const topologies = new Set(TOPOLOGIES.map(({ name }) => name));
  assert.equal(new Set(CHECKS.map(({ id }) => id)).size, CHECKS.length);
  for (const { id, title, spec, topologies: on, mutants } of CHECKS) {
    assert.match(id, /^[a-z-]+\/[a-z0-9-]+$/);
    assert.ok(title && spec.source && spec.where && spec.says, id);
    assert.ok(on.length > 0 && on.every((name) => topologies.has(name)), id);
    assert.ok(mutants.length > 0, `${id} has no mutant: nobody knows whether it can fail`);
    assert.equal(new Set(mutants).size, mutants.length, id);
  }
});

test('every mutant is to be killed by a check', () => {
  const listed = new Set<string>(CHECKS.flatMap(({ mutants }) => mutants));
  const unlisted = Object.keys(MUTANTS).filter((mutant) => !listed.has(mutant));
  assert.deepEqual(unlisted, []);
});

test('every mutant that a check lists has a node on one of its topologies', () => {
  for (const { id, topologies, mutants } of CHECKS) {
    const on = topologies.map(topologyByName);
    const homeless = mutants.filter(
      (mutant) => !on.some((topology) => hasNodeFor(topology, enginesOf(topology)[0]!, mutant)),
    );
    assert.deepEqual(homeless, [], id);
  }
});

test('docs/checks.md is what the checks say (node --import tsx scenarios/docs.ts)', () => {
  assert.equal(readFileSync(CHECKS_PAGE, 'utf8'), renderChecks(CHECKS));
});
