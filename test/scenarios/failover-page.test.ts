import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { FAILOVER_CHECKS } from '../../scenarios/conformance/failover.ts';

const page = readFileSync(new URL('../../docs/failover.md', import.meta.url), 'utf8');

test('docs/failover.md has every check of failover/ on every cluster that it is for', () => {
  const rows = new Map<string, string>();
  let cluster = '';
  for (const [, name, rest] of page.matchAll(/^\| (?:`([a-z-]+)` )?\|(.*)$/gm)) {
    cluster = name ?? cluster;
    rows.set(cluster, (rows.get(cluster) ?? '') + rest);
  }
  for (const { id, topologies } of FAILOVER_CHECKS) {
    const slug = `\`${id.replace('failover/', '')}\``;
    for (const topology of topologies) assert.ok(rows.get(topology)?.includes(slug), `${slug} ${topology}`);
  }
});
