import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { selected } from '../../cli/gate.ts';
import { matrixOf } from '../../cli/mutants.ts';
import { UsageError } from '../../cli/output.ts';
import type { Finding } from '../../reports/results.ts';
import { startArgs } from '../../runtime/entry.ts';
import { CHECKS } from '../../scenarios/conformance/index.ts';
import { proofOf } from '../../scenarios/mutants.ts';
import { resultsIn, temporary } from './surroundings.ts';

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

function liveproof(...args: string[]): Run {
  const child = spawn(process.execPath, [...startArgs('cli/main.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((done) => {
    child.on('close', (code) => done({ code, ...output }));
  });
  return { child, ended };
}

/** Processes that have a file of this directory on their command line. */
function processesOf(directory: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        return '';
      }
    })
    .filter((line) => line.includes(directory));
}

describe('selection', () => {
  test('a pattern that matches nothing names what comes nearest', () => {
    assert.throws(() => selected(['fan-out/spred'], CHECKS), {
      name: 'UsageError',
      exitCode: 2,
      message: /"fan-out\/spred"\. Near: fan-out\/spread/,
    });
  });

  test('no check for a topology is wrong use', () => {
    assert.throws(() => selected([], CHECKS, ['nowhere']), UsageError);
  });

  test('keeps the checks of any of the topologies that are named', () => {
    const fitting = selected([], CHECKS, ['forward-cluster', 'edge-cluster']);
    assert.deepEqual(
      fitting.map(({ id }) => id),
      CHECKS.filter(
        ({ topologies }) => topologies.includes('edge-cluster') || topologies.includes('forward-cluster'),
      ).map(({ id }) => id),
    );
  });

  test('exit code 2, and nothing is started or written', async () => {
    const { code, stdout, stderr } = await liveproof('gate', 'fan-out/*', 'nothing/*').ended;
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /No check matches "nothing\/\*"/);
    assert.doesNotMatch(stderr, /\n\s+at /);
  });

  test('engine srs without a binary is wrong use, and nothing is started or written', async () => {
    const { code, stdout, stderr } = await liveproof('gate', '--engine', 'srs', '--srs', '').ended;
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /Engine srs needs --srs PATH or SRS_BIN/);
  });

  test('--list shows checks and runs none', async () => {
    const { code, stdout } = await liveproof('gate', 'fan-out/*', '--list').ended;
    assert.equal(code, 0);
    assert.match(stdout, /^fan-out\/spread +must +\S/m);
    assert.doesNotMatch(stdout, /back-to-source/);
  });

  test('a reader who goes before the end changes nothing', async () => {
    const { child, ended } = liveproof('gate', '--list');
    child.stdout?.destroy();
    const { code, stderr } = await ended;
    assert.deepEqual([code, stderr], [0, '']);
  });
});

describe('a run', () => {
  test('passes, leaves a report and no process', async (t) => {
    const directory = realpathSync(temporary(t));
    const { code, stdout, stderr } = await liveproof(
      'gate',
      'back-to-source/merged-per-edge',
      '--out',
      directory,
    ).ended;
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /^pass +back-to-source\/merged-per-edge/m);
    const results = resultsIn(directory);
    assert.deepEqual([results.kind, results.verdict, results.interrupted], ['gate', 'pass', false]);
    assert.equal(results.findings.length, 1);
    assert.ok(results.environment.programs.haproxy);
    assert.deepEqual(
      [results.health!.observations, results.health!.loopLag.check, results.health!.wait?.topology],
      [1, 'back-to-source/merged-per-edge', 'edge-cluster'],
    );
    for (const file of ['report.html', 'junit.xml', 'summary.md'])
      assert.ok(existsSync(join(directory, file)));
    const lines = readFileSync(join(directory, 'history.ndjson'), 'utf8').trimEnd().split('\n');
    assert.equal(lines.length, results.history?.lines);
    assert.ok(lines.every((line) => JSON.parse(line).check === 'back-to-source/merged-per-edge'));
    assert.deepEqual(processesOf(directory), []);
  });

  test('names a topology that cannot run: as a note, and as a finding when it was asked for', async (t) => {
    const [all, named] = [temporary(t), temporary(t)];
    const checks = ['back-to-source/merged-per-edge', 'nginx-rtmp/*', '--engine', 'builtin', '--out'];
    const run = await liveproof('gate', ...checks, all).ended;
    assert.equal(run.code, 0, run.stdout + run.stderr);
    assert.match(run.stdout, /^note {2}nginx-rtmp is left out: .*engine 'builtin' cannot play nginx-rtmp/m);
    assert.match(resultsIn(all).notes!.join(), /cannot play/);
    assert.match(readFileSync(join(all, 'report.html'), 'utf8'), /nginx-rtmp is left out/);
    const asked = await liveproof('gate', ...checks, named, '--topology', 'nginx-rtmp').ended;
    assert.equal(asked.code, 3, asked.stdout + asked.stderr);
    const { findings, verdict, notes } = resultsIn(named);
    assert.deepEqual(
      [verdict, notes, findings.map(({ check, topology }) => `${check} ${topology}`)],
      ['unsupported', undefined, ['lab/up nginx-rtmp']],
    );
  });

  test('that is interrupted takes everything down and writes what it has', async (t) => {
    const directory = realpathSync(temporary(t));
    const { child, ended } = liveproof(
      'gate',
      'back-to-source/merged-per-edge',
      'back-to-source/rejoin-race',
      '--out',
      directory,
    );
    child.stdout!.on('data', (text: string) => {
      if (text.includes('merged-per-edge')) child.kill('SIGINT');
    });
    const { code, stdout } = await ended;
    assert.equal(code, 3, stdout);
    const results = resultsIn(directory);
    assert.equal(results.interrupted, true);
    assert.deepEqual(
      [results.findings[0]!.check, results.findings[0]!.verdict],
      ['back-to-source/merged-per-edge', 'pass'],
    );
    assert.deepEqual(processesOf(directory), []);
  });

  test('that is interrupted before a check has ended is no failure: nobody can say', async (t) => {
    const directory = realpathSync(temporary(t));
    const { child, ended } = liveproof('gate', 'back-to-source/merged-per-edge', '--out', directory);
    // Its cluster begins to come up.
    while (child.exitCode === null && !existsSync(join(directory, 'cluster'))) await delay(5);
    child.kill('SIGINT');
    const { code, stdout, stderr } = await ended;
    assert.equal(code, 3, stdout + stderr);
    const { interrupted, findings, verdict } = resultsIn(directory);
    assert.deepEqual([interrupted, findings, verdict], [true, [], 'inconclusive']);
    assert.deepEqual(processesOf(directory), []);
  });

  test('whose cluster does not come up says why, in the report too', async (t) => {
    const directory = temporary(t);
    const { code, stderr } = await liveproof(
      'gate',
      'fan-out/spread',
      '--engine',
      'srs',
      '--srs',
      '/bin/false',
      '--out',
      directory,
    ).ended;
    assert.equal(code, 4);
    assert.match(stderr, /lab\.exited/);
    const { verdict, findings } = resultsIn(directory);
    assert.deepEqual([verdict, findings[0]!.check], ['error', 'lab/up']);
  });
});

describe('mutants', () => {
  const finding: Finding = {
    check: 'back-to-source/released',
    topology: 'edge-cluster',
    engine: 'builtin',
    verdict: 'fail',
    expected: 'gone',
    actual: 'open',
    evidence: [],
    durationMs: 1,
  };

  test('only a failure kills', () => {
    assert.equal(proofOf(finding, 'edge-never-releases').verdict, 'pass');
    for (const verdict of ['pass', 'inconclusive', 'unsupported', 'error'] as const) {
      assert.equal(proofOf({ ...finding, verdict }, 'edge-never-releases').verdict, 'fail', verdict);
    }
  });

  test('the matrix shows who is killed, who is alive, and what was not tried', () => {
    const checks = selected(['back-to-source/released'], CHECKS);
    const text = matrixOf(
      checks,
      [
        { ...finding, verdict: 'pass' },
        proofOf(finding, 'edge-never-releases'),
        proofOf({ ...finding, verdict: 'pass' }, 'edge-releases-late'),
      ],
      (_, cell) => cell,
    );
    assert.match(text, /back-to-source\/released +pass +x +ALIVE +\?/);
    assert.match(text, /1 of 2 killed/);
  });

  test('the matrix says of a check that was interrupted neither that it killed nor that the mutant is alive', () => {
    const checks = selected(['back-to-source/released'], CHECKS);
    const interrupted: Finding = { ...finding, verdict: 'inconclusive', mutant: 'edge-never-releases' };
    assert.match(
      matrixOf(checks, [interrupted], (_, cell) => cell),
      /back-to-source\/released +\? +\? +\? /,
    );
  });

  test('two clusters at a time, without the healthy one: each is told in one piece', async (t) => {
    const directory = temporary(t);
    const { code, stdout } = await liveproof(
      ...['mutants', 'flv/structure', '--no-healthy', '--jobs', '2', '--out', directory],
      // Other tests have the CPUs meanwhile.
      ...['--max-cpu-wait', '1m'],
    ).ended;
    assert.equal(code, 0, stdout);
    const listed = CHECKS.find(({ id }) => id === 'flv/structure')!.mutants;
    const { findings } = resultsIn(directory);
    assert.deepEqual(findings.map(({ mutant }) => mutant).sort(), [...listed].sort());
    const lines = stdout.split('\n');
    for (const mutant of listed) {
      const heading = lines.findIndex((line) => line.startsWith(`edge-cluster, ${mutant}: `));
      assert.match(lines[heading + 1] ?? '', /^ {2}pass +flv\/structure/, mutant);
    }
    assert.deepEqual(processesOf(directory), []);
  });

  test('at a time: at least one cluster', async () => {
    const { code, stderr } = await liveproof('mutants', '--jobs', '0').ended;
    assert.equal(code, 2);
    assert.match(stderr, /whole number from 1 to/);
  });

  test('more parts than clusters are wrong use, told to every part before anything is begun', async (t) => {
    const directory = join(temporary(t), 'never');
    const wanted = ['mutants', 'flv/structure', '--no-healthy', '--out', directory];
    const { mutants } = CHECKS.find(({ id }) => id === 'flv/structure')!;
    const parts = mutants.length + 1;
    for (const index of [0, mutants.length]) {
      const { code, stderr } = await liveproof(...wanted, '--shard', `${index}/${parts}`).ended;
      assert.equal(code, 2, stderr);
      assert.match(stderr, new RegExp(`--shard: ${parts} parts, but only ${mutants.length} clusters?\\.`));
    }
    assert.ok(!existsSync(directory));
  });

  test('of another engine are wrong use', async () => {
    const { code, stderr } = await liveproof('mutants', '--engine', 'srs').ended;
    assert.equal(code, 2);
    assert.match(stderr, /builtin/);
  });
});
