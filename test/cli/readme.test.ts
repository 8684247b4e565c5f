/** What the README says of clusters is what the topologies are. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { targetOf } from '../../cli/gate-target.ts';
import { TOPOLOGIES, topologyByName } from '../../lab/topologies/index.ts';
import type { EntrySpec } from '../../lab/topology.ts';
import { CHECKS } from '../../scenarios/conformance/index.ts';
import { temporary } from './surroundings.ts';

const README = readFileSync('README.md', 'utf8');

const NAMES: Partial<Record<EntrySpec['protocol'], string>> = {
  rtmp: 'RTMP',
  flv: 'HTTP-FLV',
  hls: 'HLS',
  srt: 'SRT',
  webrtc: 'WebRTC',
  dash: 'DASH',
  vod: 'recordings',
};

/** Below the table's head: topologies of a row, and what it says of them. */
const rows = [
  ...README.matchAll(
    /^\| [^|]+ \| (`[^|]+`) \| [^|]+ \| ([^|]+) \| ([^|]+) \| [^|]+ \| `--profile [^|]+` \|$/gm,
  ),
].map(([, topologies, published, played]) => ({
  topologies: [...topologies!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!),
  publish: published!,
  play: played!,
}));

describe('the table of clusters and protocols', () => {
  test('has every topology once', () => {
    assert.deepEqual(
      rows.flatMap(({ topologies }) => topologies).sort(),
      TOPOLOGIES.map(({ name }) => name).sort(),
    );
  });

  for (const { topologies, ...uses } of rows) {
    for (const name of topologies) {
      test(`says over what ${name} is published to and played`, () => {
        for (const use of ['publish', 'play'] as const) {
          const said = uses[use].split(', ').flatMap((words) => {
            const [, protocol, only] = /^([\w-]+)(?: in `([^`]+)`)?$/.exec(words)!;
            return only === undefined || only === name ? [protocol] : [];
          });
          const there = topologyByName(name)
            .entries.filter((entry) => entry.use === use)
            .map(({ protocol }) => NAMES[protocol]);
          assert.deepEqual(said.sort(), [...new Set(there)].sort(), use);
        }
      });
    }
  }
});

describe('the cluster of somebody else', () => {
  const [, yaml] = /```yaml\n(schema: liveproof\/target@1\n.*?)```/s.exec(README) ?? [];

  test('is described by a whole file, which may be gated when it is said that it is elsewhere', (t) => {
    const target = join(temporary(t), 'target.yaml');
    writeFileSync(target, yaml!);
    assert.equal(targetOf({ target, allowRemote: true }).name, 'staging');
    assert.throws(() => targetOf({ target }), /10\.0\.0\.1.*--allow-remote/);
  });

  test('is judged by a check that is for it', () => {
    const [, id] = /gate (\S+\/\S+) --target target\.yaml --allow-remote/.exec(README) ?? [];
    const check = CHECKS.find((one) => one.id === id);
    assert.ok(check?.topologies.includes('edge-cluster'), id);
  });
});
