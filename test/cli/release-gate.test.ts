import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { ExitCode, UsageError } from '../../cli/output.ts';
import { releaseGate, resultsOf, stepsOf } from '../../cli/release-gate.ts';
import type { Step } from '../../cli/steps.ts';
import { TOPOLOGIES } from '../../lab/topologies/index.ts';
import { enginesOf } from '../../lab/topology.ts';
import type { Finding } from '../../reports/results.ts';
import { finding, gate } from '../reports/samples.ts';
import { temporary } from './surroundings.ts';

// Of the job that runs these tests.
delete process.env.GITHUB_STEP_SUMMARY;

const RULES = `schema: liveproof/release@1
unsupported: [{ check: srt/latency, why: it has no such setting }]
`;
const KNOWN = `schema: liveproof/known@1
known:
  - { checks: [hls/window], engine: srs, why: segments go at once, see: docs/compose.md#what-was-seen }
`;
const passed = finding({ check: 'flv/cors', engine: 'srs', verdict: 'pass' });
const failed = finding({ check: 'hls/window', engine: 'srs', verdict: 'fail' });
const unsupported = finding({ check: 'srt/latency', engine: 'srs', verdict: 'unsupported' });

/** A gate that ends with this code and, with findings, leaves them as its results. */
function step(name: string, code: number, findings?: readonly Finding[]): Step {
  const results = findings && { ...gate([...findings]), startedAt: '{now}' };
  const script = `
    const { mkdirSync, writeFileSync } = require('node:fs');
    const [out, text] = process.argv.slice(1);
    mkdirSync(out, { recursive: true });
    if (text !== '') writeFileSync(out + '/results.json', text.replace('{now}', new Date().toISOString()));
    process.exit(${code});`;
  return {
    name,
    says: name,
    command: [process.execPath, '-e', script, '{out}', results ? JSON.stringify(results) : ''],
    timeoutMs: 10_000,
  };
}

async function release(t: TestContext, steps: readonly Step[], { known = false, interrupted = false } = {}) {
  const out = temporary(t);
  const [rules, list] = [join(out, 'rules.yaml'), join(out, 'known.yaml')];
  writeFileSync(rules, RULES);
  writeFileSync(list, KNOWN);
  const said: string[] = [];
  const code = await releaseGate(
    { rules, out, ...(known && { known: list }) },
    {
      stepsOf: () => steps,
      listen: () => ({
        signal: interrupted ? AbortSignal.abort() : new AbortController().signal,
        release() {},
      }),
      say: (line) => said.push(line),
    },
  );
  const read = (name: string) => JSON.parse(readFileSync(join(out, name), 'utf8'));
  return { code, said: said.join('\n'), judgement: read('release.json'), steps: read('steps.json') };
}

describe('release-gate', () => {
  it('lets through what passed, and what is unsupported and listed', async (t) => {
    const { code, steps, said } = await release(t, [
      step('gate', 0, [passed]),
      step('gate-srs', 3, [passed, unsupported]),
    ]);
    assert.equal(code, ExitCode.pass);
    assert.deepEqual(
      steps.steps.map(({ verdict }: { verdict: string }) => verdict),
      ['pass', 'pass'],
    );
    assert.match(said, /listed {2}srt\/latency on .* \(it has no such setting\)/);
  });

  it('is held by a failure, also by one that is known unless that is asked for', async (t) => {
    const steps = [step('gate-srs', 1, [passed, failed])];
    const held = await release(t, steps);
    assert.equal(held.code, ExitCode.fail);
    assert.match(held.said, /in the way {2}fail: hls\/window/);
    const known = await release(t, steps, { known: true });
    assert.equal(known.code, ExitCode.pass);
    assert.match(known.said, /listed {2}fail: hls\/window on .*: segments go at once/);
    const fixed = { ...failed, verdict: 'pass' as const };
    const well = await release(t, [step('gate-srs', 0, [fixed])], { known: true });
    assert.match(well.said, /known, and it is well: pass: hls\/window/);
  });

  it('is held by a gate that wrote nothing, or wrote all and did not end well', async (t) => {
    const silent = await release(t, [step('gate', 1)]);
    assert.equal(silent.code, ExitCode.fail);
    assert.deepEqual(silent.judgement.obstacles, ['nothing was run']);
    const one = await release(t, [step('gate', 0, [passed]), step('gate-srs', 1)]);
    assert.equal(one.judgement.verdict, 'pass');
    assert.equal(one.code, ExitCode.fail);
    const ended = await release(t, [step('gate', 4, [passed])]);
    assert.notEqual(ended.code, ExitCode.pass);
    assert.equal(ended.steps.verdict, 'error');
  });

  it('is inconclusive when it was interrupted', async (t) => {
    const { code } = await release(t, [step('gate', 0, [passed])], { interrupted: true });
    assert.equal(code, ExitCode.inconclusive);
  });

  it('refuses a binary and files that are not there', async () => {
    const rules = 'fixtures/release-gate.yaml';
    await assert.rejects(releaseGate({ rules, srs: 'objs/none' }), UsageError);
    await assert.rejects(releaseGate({ rules: 'fixtures/none.yaml' }), UsageError);
    await assert.rejects(releaseGate({ rules, known: 'fixtures/none.yaml' }), UsageError);
  });
});

describe('its steps', () => {
  const named = ({ command }: Step): string[] => command.filter((_, i) => command[i - 1] === '--topology');

  it('name every cluster, so that one that cannot run is a finding', () => {
    const [builtin, ...rest] = stepsOf(undefined);
    assert.deepEqual(rest, []);
    assert.deepEqual(
      named(builtin!),
      TOPOLOGIES.map(({ name }) => name),
    );
    assert.ok(!builtin!.command.includes('--engine'));
  });

  it('have a real SRS play all that it can, over every protocol', () => {
    const [, srs] = stepsOf('objs/srs');
    const playable = TOPOLOGIES.filter((topology) => enginesOf(topology).includes('srs'));
    assert.deepEqual(
      named(srs!),
      playable.map(({ name }) => name),
    );
    assert.equal(srs!.command.slice(-5).join(' '), '--engine srs --open-udp --srs objs/srs');
  });
});

describe('what the steps wrote', () => {
  it('is read by step, without those of another run', async (t) => {
    const folder = temporary(t);
    const at = '2026-11-29T10:00:00.000Z';
    for (const name of ['gate', 'gate-srs']) mkdirSync(join(folder, name));
    const write = (name: string, startedAt: string) =>
      writeFileSync(join(folder, name, 'results.json'), JSON.stringify({ ...gate(), startedAt }));
    write('gate', at);
    write('gate-srs', '2026-11-29T09:59:59.000Z');
    const steps = [{ name: 'gate' }, { name: 'gate-srs' }, { name: 'gate-compose' }];
    assert.deepEqual([...(await resultsOf(folder, steps, Date.parse(at))).keys()], ['gate']);
  });
});
