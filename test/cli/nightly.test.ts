import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { chosenSteps, NIGHT, nightly, withSrs } from '../../cli/nightly.ts';
import { judgedByList, KNOWN_FILE, type NightStep, readKnown } from '../../cli/nightly-known.ts';
import { fetchNights, heldAgainst, keepNights } from '../../cli/nights.ts';
import { ExitCode } from '../../cli/output.ts';
import { runSteps } from '../../cli/steps.ts';
import { TOPOLOGIES } from '../../lab/topologies/index.ts';
import { enginesOf, type Topology } from '../../lab/topology.ts';
import { baselineOf, compareWith } from '../../reports/baseline.ts';
import type { KnownVerdicts } from '../../reports/judge-known.ts';
import type { Finding, Verdict } from '../../reports/results.ts';
import type { Bench } from '../../reports/results-bench.ts';
import { PROFILE_OF } from '../../scenarios/bench/profile.ts';
import { CHECKS } from '../../scenarios/conformance/index.ts';
import { ENVIRONMENT, gate, finding as sample } from '../reports/samples.ts';
import { bench as figures, latency } from '../reports/samples-bench.ts';
import { benchRun } from '../reports/samples-runs.ts';
import { srsBin } from './surroundings.ts';

// Of the job that runs these tests.
delete process.env.GITHUB_STEP_SUMMARY;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'liveproof-nightly-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const commandOf = (name: string, steps: readonly NightStep[] = NIGHT): string =>
  steps.find((step) => step.name === name)!.command.join(' ');

describe('the steps of a night', () => {
  it('are chosen by name, and names that are none are refused', () => {
    assert.equal(chosenSteps({ only: [], without: [] }).length, NIGHT.length);
    assert.deepEqual(
      chosenSteps({ only: ['gate', 'mutants'], without: ['gate'] }).map(({ name }) => name),
      ['mutants'],
    );
    assert.throws(() => chosenSteps({ only: ['gates'], without: [] }), /No step is called gates/);
    assert.throws(() => chosenSteps({ only: ['gate'], without: ['gate'] }), /No step is left/);
  });

  it('run scripts that are there', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
    for (const { name, command } of NIGHT) {
      const [npm, ...words] = command;
      assert.equal(npm, 'npm', name);
      const script = words.find((word) => word !== 'run' && word !== '-s')!;
      assert.ok(script === 'test' || scripts[script] !== undefined, `${name}: npm run ${script}`);
    }
  });

  it('measure every cluster once', () => {
    const measured = NIGHT.filter(({ name }) => name.startsWith('bench-')).flatMap(({ command }) =>
      command.filter((_, i) => command[i - 1] === '--topology'),
    );
    assert.deepEqual(measured.sort(), TOPOLOGIES.map(({ name }) => name).sort());
  });

  it('have more time than their profile gives all ladders and latencies of their clusters, a real SRS among them', () => {
    const { latencyBudgetMs, ladder } = PROFILE_OF.nightly;
    const laddersOf = ({ entries }: Topology): number => {
      const over = (use: string, start: Readonly<Record<string, unknown>>) =>
        new Set(entries.flatMap((one) => (one.use === use && one.protocol in start ? [one.protocol] : [])))
          .size;
      const { players, joins, publishers } = ladder.start;
      return over('play', players) + over('play', joins) + over('publish', publishers);
    };
    for (const { name, command, timeoutMs } of NIGHT.filter((step) => step.name.startsWith('bench-'))) {
      const budget = TOPOLOGIES.filter((one) => command.includes(one.name)).reduce(
        (sum, one) => sum + enginesOf(one).length * (latencyBudgetMs + laddersOf(one) * ladder.budgetMs),
        0,
      );
      assert.ok(budget > 0 && budget * 1.4 <= timeoutMs, `${name}: ${budget / 60_000} min`);
    }
  });

  it('measure a real SRS where there is one, beside the engine that is built in, SRT and WebRTC included', () => {
    const steps = withSrs(NIGHT, './objs/srs');
    const bench = 'npm run -s bench -- --profile nightly --out {out}';
    assert.equal(
      commandOf('bench-edge', steps),
      `${bench} --topology edge-cluster --topology nginx-rtmp --engine builtin --engine srs --engine nginx-rtmp --open-udp`,
    );
    assert.equal(
      commandOf('bench-proxy', steps),
      `${bench} --topology proxy-cluster --topology coworker-cluster --engine builtin --engine srs --open-udp`,
    );
    assert.equal(commandOf('bench-edge'), `${bench} --topology edge-cluster --topology nginx-rtmp`);
    for (const { name, command } of NIGHT.filter((step) => !step.name.startsWith('bench-')))
      assert.equal(commandOf(name, steps), command.join(' '));
    assert.equal(withSrs(NIGHT, undefined), NIGHT);
  });
});

describe('the nights before', () => {
  const steps = chosenSteps({ only: ['gate', 'bench-edge'], without: [] });
  const keep = (verdict: Verdict): Promise<void> =>
    keepNights(join(directory, 'nights'), directory, [{ name: 'bench-edge', verdict }], () => {});

  it('are what bench is held against, as soon as there is one', () => {
    const added = () =>
      heldAgainst(directory, steps).map(({ command }, i) => command.slice(steps[i]!.command.length));
    const save = ['--save-baseline', '{out}.nights.json'];
    assert.deepEqual(added(), [[], save]);
    const file = join(directory, 'bench-edge.json');
    writeFileSync(file, '{}');
    assert.deepEqual(added(), [[], [...save, '--baseline', file]]);
    assert.equal(heldAgainst(undefined, steps), steps);
  });

  it('get a night that passed, and none that failed or of which nobody can say', async () => {
    const kept = join(directory, 'nights', 'bench-edge.json');
    writeFileSync(join(directory, 'bench-edge.nights.json'), 'new');
    for (const verdict of ['fail', 'error', 'inconclusive', 'unsupported'] as const) {
      await keep(verdict);
      assert.ok(!existsSync(kept), verdict);
    }
    await keep('pass');
    assert.equal(readFileSync(kept, 'utf8'), 'new');
  });

  it('get a night that is open for nothing but their small number, so that there will be more', async () => {
    const night = { startedAt: '2026-11-27T00:00:00.000Z', environment: ENVIRONMENT };
    const drifted = (more: Partial<Bench> = {}): Bench =>
      figures({
        latency: [latency({ samples: { latencyP50: [450, 452, 448, 451, 449] } })],
        ...{ economics: [], claims: [] },
        ...more,
      });
    const before = baselineOf(
      figures({ latency: [latency({ samples: { latencyP50: [350, 352, 348, 351, 349] } })] }),
      night,
    );
    const kept = join(directory, 'nights', 'bench-edge.json');
    let said = '';
    const left = async (of: Bench, run: { interrupted?: boolean; cores?: number; since?: number } = {}) => {
      const { interrupted = false, cores = 2, since = 0 } = run;
      const comparison = compareWith(before, 'nights.json', of, { ...ENVIRONMENT, cores });
      const results = { ...benchRun({ ...of, comparison }), interrupted };
      assert.equal(results.verdict, 'inconclusive');
      mkdirSync(join(directory, 'bench-edge'), { recursive: true });
      writeFileSync(join(directory, 'bench-edge', 'results.json'), JSON.stringify(results));
      writeFileSync(join(directory, 'bench-edge.nights.json'), 'new');
      rmSync(kept, { force: true });
      const ended = [{ name: 'bench-edge', verdict: 'inconclusive' }] as const;
      const say = (line: string): void => {
        said = line;
      };
      await keepNights(join(directory, 'nights'), directory, ended, say, since);
      return existsSync(kept);
    };
    assert.equal(await left(drifted()), true);
    assert.equal(await left(drifted(), { interrupted: true }), false, 'interrupted');
    assert.equal(await left(drifted(), { cores: 64 }), false, 'another machine');
    assert.match(said, /not kept, as .* \(cores was 2, is 64\): remove nights\.json to begin anew$/);
    // A night of three good repetitions is not enough beside five.
    const few = drifted({ latency: [latency({ samples: { latencyP50: [350, 351, 352] } })] });
    assert.equal(await left(few), true);
    assert.equal(
      await left(drifted(), { since: Date.parse('2026-11-29T00:00:00Z') }),
      false,
      'results of another night',
    );
    const problems = [
      { topology: 'edge-cluster', engine: 'builtin', part: 'economics', what: 'no playlist' },
    ];
    assert.equal(await left(drifted({ problems })), false, 'something else is open');
  });

  it('stay as they are when nothing was saved, and are there for bench to add to', async () => {
    const nights = join(directory, 'nights');
    mkdirSync(nights);
    await keep('pass');
    assert.ok(!existsSync(join(nights, 'bench-edge.json')));
    writeFileSync(join(nights, 'bench-edge.json'), 'old');
    await fetchNights(nights, directory, steps);
    assert.equal(readFileSync(join(directory, 'bench-edge.nights.json'), 'utf8'), 'old');
  });
});

const finding = (check: string, verdict: Verdict): Finding =>
  sample({ check, topology: 'edge-cluster', engine: 'srs', verdict, actual: 'b' });

const KNOWN: KnownVerdicts = {
  schema: 'liveproof/known@1',
  known: [
    {
      checks: ['hls/window'],
      engine: 'srs',
      verdicts: ['fail'],
      why: 'segments go at once',
      see: 'docs/compose.md#what-was-seen',
    },
  ],
};

/** After any night of these tests began. */
const LATER = new Date(Date.now() + 3_600_000);

/** A gate that leaves these findings, and ends with this code. */
function gateStep(code: number, findings: readonly Finding[], startedAt = LATER): NightStep {
  const results = { ...gate([...findings]), startedAt: startedAt.toISOString() };
  const script = `
    const { mkdirSync, writeFileSync } = require('node:fs');
    mkdirSync(process.argv[1], { recursive: true });
    writeFileSync(process.argv[1] + '/results.json', process.argv[2]);
    process.exit(${code});`;
  return {
    name: 'gate-srs',
    says: 'a gate',
    command: [process.execPath, '-e', script, '{out}', JSON.stringify(results)],
    timeoutMs: 10_000,
    judged: 'process',
  };
}

async function night(step: NightStep, since = 0, known = KNOWN) {
  const lines: string[] = [];
  const say = (line: string): void => void lines.push(line);
  const { signal } = new AbortController();
  const results = await runSteps({ steps: [step], directory, signal, say });
  const request = { results, steps: [step], directory, since, known, say };
  const judged = await judgedByList(request);
  return { result: judged.results[0]!, markdown: judged.markdown, said: lines.join('\n') };
}

describe('a gate of a real server', () => {
  it('passes when everything that failed is known, and shows that', async () => {
    const { result, markdown, said } = await night(
      gateStep(1, [finding('hls/window', 'fail'), finding('hls/lint', 'pass')]),
    );
    assert.equal(result.verdict, 'pass');
    assert.equal(result.why, 'exit code 1: 0 new, 1 known, 0 listed and passed');
    assert.match(said, /known {2}fail: hls\/window on edge-cluster of srs: segments go at once/);
    assert.match(markdown, /\*\*Known\*\*\n\n- `fail: hls\/window/);
    const written = JSON.parse(readFileSync(join(directory, 'gate-srs', 'known.json'), 'utf8'));
    assert.equal(written.known.length, 1);
  });

  it('fails for what is new, and names what is listed and passes', async () => {
    const { result, said, markdown } = await night(
      gateStep(1, [finding('hls/window', 'pass'), finding('hls/lint', 'fail')]),
    );
    assert.equal(result.verdict, 'fail');
    assert.match(said, /new {2}fail: hls\/lint on edge-cluster of srs: b/);
    assert.match(said, /listed, and passed {2}pass: hls\/window on edge-cluster/);
    assert.match(markdown, /can be removed from the list\*\*\n\n- `pass: hls\/window/);
  });

  it('meets by chance what its nodes logged, and knows no finding by it whose nodes logged something else', async () => {
    mkdirSync(join(directory, 'gate-srs'));
    const logging = (name: string, log: string): Finding => {
      writeFileSync(join(directory, 'gate-srs', `${name}.txt`), log);
      const evidence = [{ label: 'nodes', detail: 'what they logged', file: `${name}.txt` }];
      return { ...finding('flv/structure', 'inconclusive'), evidence };
    };
    const by = (own: string, others: string): string =>
      `x[${own}] new live source, stream_url=/live/a\nx[t1] Live: cleanup die source, id=[], total=1\n` +
      `x[${others}] start publish mr=0\nx[p1] new live source, stream_url=/live/a\n`;
    const gate = [logging('forgotten', by('c1', 'c1')), logging('other', by('c1', 'c2'))];
    const { result } = await night(gateStep(3, gate), 0, readKnown(KNOWN_FILE));
    assert.equal(result.verdict, 'inconclusive');
    assert.equal(result.why, 'exit code 3: 1 new, 1 known, 0 listed and passed');
  });

  it('that was not over, had no cluster, or left what is older than the night is judged by its end', async () => {
    const known = [finding('hls/window', 'fail')];
    assert.equal((await night(gateStep(4, known))).result.verdict, 'error');
    const now = new Date();
    assert.equal((await night(gateStep(1, known, now), now.getTime() + 1)).result.verdict, 'fail');
    const { judged: _, ...unjudged } = gateStep(1, known);
    assert.equal((await night(unjudged)).result.verdict, 'fail');
  });
});

describe('nightly', () => {
  async function nightOf(steps: readonly NightStep[]) {
    const known = join(directory, 'known.json');
    writeFileSync(known, JSON.stringify(KNOWN));
    const [out, baseline] = [join(directory, 'out'), join(directory, 'nights')];
    const code = await nightly(
      { only: [], without: [], known, out, baseline },
      {
        night: steps,
        listen: () => ({ signal: new AbortController().signal, release() {} }),
        say: () => {},
      },
    );
    return { code, summary: readFileSync(join(out, 'summary.md'), 'utf8') };
  }
  const step = (name: string, script: string): NightStep => ({
    name,
    says: name,
    // Its own folder, and the words that nights add.
    command: [process.execPath, '-e', script, '--', '{out}'],
    timeoutMs: 10_000,
  });
  const bench = (code: number): NightStep =>
    step(
      'bench-edge',
      `const file = process.argv[process.argv.indexOf('--save-baseline') + 1];
       require('node:fs').appendFileSync(file, 'night ');
       process.exit(${code});`,
    );

  it('ends well when all passed or is known, and its summary has what is known', async () => {
    const { code, summary } = await nightOf([
      step('tests', ''),
      gateStep(1, [finding('hls/window', 'fail')]),
    ]);
    assert.equal(code, ExitCode.pass);
    assert.match(summary, /^# nightly: pass$[\s\S]*^## gate-srs$[\s\S]*^- `fail: hls\/window/m);
  });

  it('fails for a step that fails, and for what is new of a real server', async () => {
    assert.equal((await nightOf([step('tests', 'process.exit(1)')])).code, ExitCode.fail);
    assert.equal((await nightOf([gateStep(1, [finding('hls/lint', 'fail')])])).code, ExitCode.fail);
  });

  it('is inconclusive for what cannot run here', async () => {
    const lacking = { ...step('k6', ''), lacks: () => 'no k6' };
    assert.equal((await nightOf([step('tests', ''), lacking])).code, ExitCode.inconclusive);
  });

  it('does not begin with an SRS that is not there', async (t) => {
    srsBin(t, join(directory, 'srs'));
    await assert.rejects(nightOf([step('tests', 'process.exit(1)')]), {
      name: 'UsageError',
      message: `SRS_BIN names ${join(directory, 'srs')}, which is not there.`,
    });
    assert.equal(existsSync(join(directory, 'out')), false);
  });

  it('adds its figures to those of the nights that passed, also when another step failed', async () => {
    const kept = join(directory, 'nights', 'bench-edge.json');
    await nightOf([bench(0), step('tests', 'process.exit(1)')]);
    assert.equal(readFileSync(kept, 'utf8'), 'night ');
    await nightOf([bench(3)]);
    assert.equal(readFileSync(kept, 'utf8'), 'night ');
    await nightOf([bench(0)]);
    assert.equal(readFileSync(kept, 'utf8'), 'night night ');
  });
});

describe('the list of what is known', () => {
  const list = readKnown(KNOWN_FILE);

  it('names checks, clusters and engines that are there', () => {
    const ids = CHECKS.map(({ id }) => id);
    for (const { checks, topologies = [] } of list.known) {
      for (const name of checks)
        assert.ok(
          ids.some((id) => id === name || (name.endsWith('/*') && id.startsWith(name.slice(0, -1)))),
          name,
        );
      for (const name of topologies)
        assert.ok(
          TOPOLOGIES.some((topology) => topology.name === name),
          name,
        );
    }
  });

  it('leads to a heading under which each check is named', () => {
    const slugOf = (heading: string): string => heading.toLowerCase().replaceAll(' ', '-');
    for (const { checks, see } of list.known) {
      const [page, anchor] = see.split('#');
      const sections = readFileSync(page!, 'utf8').split(/^## /m);
      const section = sections.find((text) => slugOf(text.split('\n')[0]!) === anchor);
      assert.ok(section !== undefined, see);
      for (const name of checks) {
        const [area, slug = ''] = name.split('/');
        assert.ok(
          section.includes(`${area}/`) && (slug === '*' || section.includes(slug)),
          `${see}: ${name}`,
        );
      }
    }
  });

  it('is refused where it says nothing of why and where', () => {
    const file = join(directory, 'known.yaml');
    writeFileSync(file, 'schema: liveproof/known@1\nknown: [{ checks: [hls/window] }]\n');
    assert.throws(() => readKnown(file), /not a list of known verdicts:[\s\S]*why[\s\S]*see/);
    assert.throws(() => readKnown(join(directory, 'none.yaml')), /no list of known verdicts/);
  });
});
