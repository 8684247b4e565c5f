import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Command } from 'commander';
import { type BenchArguments, bench, register, sloOf } from '../../cli/bench.ts';
import { ExitCode, UsageError } from '../../cli/output.ts';
import { LabError } from '../../lab/errors.ts';
import { PROFILE_OF } from '../../scenarios/bench/profile.ts';
import { type BenchRequest, nothingMeasured } from '../../scenarios/bench/run.ts';
import { DEFAULT_SLO } from '../../scenarios/bench/slo.ts';
import { bench as figures, latency, unhealthy } from '../reports/samples-bench.ts';
import { freePort } from '../support/ports.ts';
import { resultsIn, srsBin, surroundings, temporary } from './surroundings.ts';

const ARGUMENTS: BenchArguments = { profile: 'quick', topology: [], engine: [], only: [] };

test('quick benches the default cluster in all parts, and leaves a report', async (t) => {
  const out = temporary(t);
  const around = surroundings();
  let asked: BenchRequest | undefined;
  const run = async (request: BenchRequest) => {
    asked = request;
    return figures();
  };
  assert.equal(await bench({ ...ARGUMENTS, out }, { ...around, run }), ExitCode.pass);
  assert.deepEqual(
    asked!.runs.map(({ topology, engine }) => [topology.name, engine]),
    [['edge-cluster', 'builtin']],
  );
  assert.deepEqual(asked!.parts, ['latency', 'concurrency', 'economics', 'claims']);
  assert.deepEqual(asked!.slo, DEFAULT_SLO);
  assert.equal(around.state.released, true);
  const tail = '350 ms +560 ms +690 ms +700 ms';
  assert.match(
    around.stdout.text,
    new RegExp(`edge-cluster  builtin  rtmp +100 +${tail} +${tail} +0 % +0 +0\\.4 cores, 300 MB`),
  );
  assert.match(
    around.stdout.text,
    /players +rtmp +1,000 {2}server +0\.100 mcores +40 kB +0\.040 mcores +20 kB/,
  );
  const { kind, verdict, bench: kept } = resultsIn(out);
  assert.deepEqual([kind, verdict, kept], ['bench', 'pass', figures()]);
  const page = readFileSync(join(out, 'report.html'), 'utf8');
  for (const id of ['concurrency', 'latency', 'economics', 'claims'])
    assert.ok(page.includes(`<h2 id="${id}"`), id);
  assert.equal(page.includes('<h2 id="baseline"'), false);
  assert.match(readFileSync(join(out, 'summary.md'), 'utf8'), /\| players of rtmp \| 1,000 \| server \|/);
});

test('every engine that is named plays every topology that it can', async (t) => {
  let asked: BenchRequest | undefined;
  const run = async (request: BenchRequest) => {
    asked = request;
    return figures();
  };
  await bench(
    {
      ...ARGUMENTS,
      topology: ['edge-cluster', 'nginx-rtmp'],
      engine: ['builtin', 'nginx-rtmp'],
      out: temporary(t),
    },
    { ...surroundings(), run },
  );
  assert.deepEqual(
    asked!.runs.map(({ topology, engine }) => [topology.name, engine]),
    [
      ['edge-cluster', 'builtin'],
      ['nginx-rtmp', 'nginx-rtmp'],
    ],
  );
});

test('a proxy of the user needs a cluster with one, and is named in the command', async (t) => {
  const run = async () => figures();
  const proxied = { ...ARGUMENTS, out: temporary(t), proxy: process.execPath };
  await assert.rejects(bench(proxied, { ...surroundings(), run }), {
    name: 'UsageError',
    message: /--proxy is of clusters with a proxy: add --topology proxy-cluster/,
  });
  // Of all that nightly would run, those with a proxy are left out.
  const missing: BenchArguments = { ...proxied, profile: 'nightly', proxy: './not-there' };
  await assert.rejects(bench(missing, { ...surroundings(), run }), UsageError);
  assert.equal(existsSync(join(proxied.out, 'results.json')), false);
  await bench({ ...proxied, topology: ['edge-cluster', 'proxy-cluster'] }, { ...surroundings(), run });
  assert.match(resultsIn(proxied.out).command.join(' '), new RegExp(` --proxy ${process.execPath}$`));
});

test('a program of SRS is named in the command where it is measured', async (t) => {
  const run = async () => figures();
  const commandOf = async (engine: BenchArguments['engine']): Promise<string> => {
    const out = temporary(t);
    await bench({ ...ARGUMENTS, out, engine, srs: process.execPath }, { ...surroundings(), run });
    return resultsIn(out).command.join(' ');
  };
  assert.match(await commandOf(['builtin', 'srs']), new RegExp(` --srs ${process.execPath}$`));
  // Set for other commands.
  srsBin(t, process.execPath);
  assert.doesNotMatch(await commandOf(['builtin']), /--srs/);
});

test('a baseline is saved, holds against the same figures, and fails against worse ones', async (t) => {
  const out = temporary(t);
  const file = join(out, 'baseline.json');
  const worse = figures({
    latency: [latency({ samples: { latencyP50: [450, 452, 448, 451, 449] } })],
  });
  const with_ = async (options: Partial<BenchArguments>, of = figures()) => {
    const around = surroundings();
    const code = await bench(
      { ...ARGUMENTS, out: temporary(t), ...options },
      { ...around, run: async () => of },
    );
    return [code, around.stdout.text] as const;
  };
  assert.equal((await with_({ saveBaseline: file }))[0], ExitCode.pass);
  assert.equal((await with_({ baseline: file }))[0], ExitCode.pass);
  const [early, reserved] = await with_({ baseline: file }, worse);
  assert.equal(early, ExitCode.inconclusive);
  assert.match(reserved, /inconclusive {2}edge-cluster\/builtin\/rtmp\/100\/latencyP50: 350 to 450 ms/);
  for (let night = 2; night <= 3; night++) await with_({ saveBaseline: file });
  const [code, told] = await with_({ baseline: file }, worse);
  assert.equal(code, ExitCode.fail);
  assert.match(told, /worse {2}edge-cluster\/builtin\/rtmp\/100\/latencyP50: 350 to 450 ms \(× 1\.29\)/);
  const other = JSON.parse(readFileSync(file, 'utf8'));
  other.machine.cpu = 'Another CPU';
  writeFileSync(file, JSON.stringify(other));
  assert.equal((await with_({ baseline: file }, worse))[0], ExitCode.inconclusive);
});

test('a run that failed, or has no healthy repetition, is no baseline', async (t) => {
  for (const [of, why] of [
    [latency({ breaches: ['0 % joined, at least 99.9 %'] }), 'as the run failed'],
    [latency({ generator: unhealthy(), samples: {} }), 'as no repetition had a healthy generator'],
  ] as const) {
    const out = temporary(t);
    const saveBaseline = join(out, 'baseline.json');
    const around = surroundings();
    await bench(
      { ...ARGUMENTS, out, saveBaseline },
      { ...around, run: async () => figures({ latency: [of] }) },
    );
    assert.equal(existsSync(saveBaseline), false);
    assert.ok(around.stdout.text.endsWith(`baseline: not saved, ${why}\n`));
  }
});

test('a baseline gets its folder, and one that cannot be written does not take what was measured', async (t) => {
  const out = temporary(t);
  const saved = join(out, 'of', 'this', 'machine.json');
  const run = async () => figures();
  assert.equal(
    await bench({ ...ARGUMENTS, out, saveBaseline: saved }, { ...surroundings(), run }),
    ExitCode.pass,
  );
  assert.equal(JSON.parse(readFileSync(saved, 'utf8')).runs.length, 1);
  const around = surroundings();
  // A file is in the way.
  const saveBaseline = join(saved, 'machine.json');
  await assert.rejects(bench({ ...ARGUMENTS, out, saveBaseline }, { ...around, run }), {
    name: 'CommandError',
    exitCode: ExitCode.inconclusive,
    message: /^The baseline could not be written: /,
  });
  assert.match(around.stdout.text, /report: .*report\.html\n$/);
  assert.deepEqual(readdirSync(join(out, 'of', 'this')), ['machine.json']);
});

test('Ctrl-C keeps what was measured, says so, and saves no baseline', async (t) => {
  const out = temporary(t);
  const around = surroundings();
  const run = async () => {
    around.interrupt();
    return figures({ ladders: [], economics: [], claims: [] });
  };
  const saveBaseline = join(out, 'baseline.json');
  const code = await bench({ ...ARGUMENTS, out, saveBaseline }, { ...around, run });
  assert.equal(code, ExitCode.inconclusive);
  const { interrupted, bench: kept } = resultsIn(out);
  assert.deepEqual([interrupted, kept!.latency.length, existsSync(saveBaseline)], [true, 1, false]);
  assert.match(around.stdout.text, /\(interrupted\)/);
});

test('--dashboard shows what was measured so far, while the rest is', async (t) => {
  const around = surroundings();
  const page = async (): Promise<string> => {
    const address = /dashboard: (\S+)/.exec(around.stderr.text)?.[1];
    assert.ok(address !== undefined, around.stderr.text);
    return (await fetch(address)).text();
  };
  const run = async ({ onMeasured }: BenchRequest) => {
    assert.equal((await page()).includes('<h2 id="latency"'), false);
    onMeasured!(figures({ ladders: [], economics: [], claims: [] }));
    const half = await page();
    assert.equal(half.includes('<h2 id="latency"'), true);
    assert.equal(half.includes('<h2 id="claims"'), false);
    return figures();
  };
  const code = await bench({ ...ARGUMENTS, dashboard: true, out: temporary(t) }, { ...around, run });
  assert.equal(code, ExitCode.pass);
  await assert.rejects(page());
});

test('--prometheus has what was measured so far, while the rest is', async (t) => {
  const port = await freePort();
  const metrics = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const run = async ({ onMeasured }: BenchRequest) => {
    assert.doesNotMatch(await metrics(), /^liveproof_bench/m);
    onMeasured!(figures({ ladders: [] }));
    const half = await metrics();
    assert.match(half, /^liveproof_bench_latency_seconds_count\{.*protocol="rtmp".*players="100"\} 1000$/m);
    assert.doesNotMatch(half, /^liveproof_bench_largest_players/m);
    onMeasured!(figures());
    assert.match(await metrics(), /^liveproof_bench_largest_players\{.*protocol="rtmp".*\} 1000$/m);
    return figures();
  };
  const args = { ...ARGUMENTS, prometheus: `:${port}`, out: temporary(t) };
  assert.equal(await bench(args, { ...surroundings(), run }), ExitCode.pass);
});

test('a baseline says nothing of a run that has no figure yet', async (t) => {
  const port = await freePort();
  const file = join(temporary(t), 'baseline.json');
  await bench(
    { ...ARGUMENTS, saveBaseline: file, out: temporary(t) },
    { ...surroundings(), run: async () => figures() },
  );
  const verdict = async (): Promise<string | undefined> =>
    /^liveproof_verdict\S* (\S+)$/m.exec(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text())?.[1];
  const seen: (string | undefined)[] = [];
  const run = async ({ onMeasured }: BenchRequest) => {
    seen.push(await verdict());
    onMeasured!(figures());
    seen.push(await verdict());
    return nothingMeasured({ profile: PROFILE_OF.quick, slo: DEFAULT_SLO });
  };
  const args = { ...ARGUMENTS, baseline: file, prometheus: `:${port}`, out: temporary(t) };
  assert.equal(await bench(args, { ...surroundings(), run }), ExitCode.inconclusive);
  assert.deepEqual(seen, [undefined, '0']);
});

test('an unhealthy generator is nobody’s failure; a cluster that did not come up has a code of its own', async (t) => {
  const code = (of: ReturnType<typeof figures>) =>
    bench({ ...ARGUMENTS, out: temporary(t) }, { ...surroundings(), run: async () => of });
  assert.equal(
    await code(figures({ latency: [latency({ generator: unhealthy() })] })),
    ExitCode.inconclusive,
  );
  const what = 'origin exited (code 1) before it was ready';
  const problems = [{ topology: 'edge-cluster', engine: 'builtin', part: 'start', what }];
  assert.equal(await code(figures({ problems })), ExitCode.labNotUp);
});

test('the SLO is set term by term', () => {
  assert.deepEqual(sloOf('joined=1,stalls=0.02,latency.srt=500ms,startup=3s'), {
    ...DEFAULT_SLO,
    joined: 1,
    stalls: 0.02,
    startupMs: 3000,
    latencyMs: { ...DEFAULT_SLO.latencyMs, srt: 500 },
  });
  assert.deepEqual(Object.values(sloOf('latency=1s').latencyMs), [1000, 1000, 1000, 1000, 1000]);
  for (const wrong of ['joined=2', 'speed=1', 'latency=fast', 'loss', 'joined']) {
    assert.throws(() => sloOf(wrong), UsageError, wrong);
  }
});

test('ports that no node can have are wrong use', async () => {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  register(program);
  program.commands[0]!.exitOverride().configureOutput({ writeErr: () => {} });
  await assert.rejects(program.parseAsync(['bench', '--base-port', '70000'], { from: 'user' }), {
    code: 'commander.invalidArgument',
    message: /A base port is a whole number from 1024 to 32000/,
  });
});

test('wrong use is told before anything is started', async (t) => {
  const out = temporary(t);
  const run = () => assert.fail('it ran');
  const refused = (options: Partial<BenchArguments>) =>
    bench({ ...ARGUMENTS, out, ...options }, { ...surroundings(), run });
  const file = join(out, 'no.json');
  await assert.rejects(refused({ baseline: file }), /no\.json cannot be read as a baseline/);
  writeFileSync(file, '{"schema":"liveproof/results@1"}');
  await assert.rejects(refused({ baseline: file }), /is not liveproof\/baseline@1/);
  await assert.rejects(
    refused({ topology: ['edge-cluster'], engine: ['nginx-rtmp'] }),
    /Nothing is selected/,
  );
  await assert.rejects(
    refused({ engine: ['builtin', 'srs'] }),
    /^UsageError: Engine srs needs --srs PATH or SRS_BIN/,
  );
  await assert.rejects(refused({ topology: ['edge-cluster'], engine: ['srs'], srs: '/no/srs' }), LabError);
  await assert.rejects(refused({ repetitions: '0' }), UsageError);
  await assert.rejects(
    refused({ only: ['economics'], topology: ['nginx-rtmp'] }),
    /^UsageError: economics counts what nodes fetch from origins, and in nginx-rtmp none does: add --topology edge-cluster\./,
  );
});
