/** No check passes for nothing: every judge and every run of a check, in worlds in which there is nothing to see. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Cluster, ClusterNode } from '../../../lab/cluster.ts';
import { capabilitiesOf } from '../../../lab/runners/capabilities.ts';
import { entryOf } from '../../../lab/runners/entry.ts';
import { topologyByName } from '../../../lab/topologies/index.ts';
import { type Check, NotObservedError } from '../../../scenarios/check.ts';
import { CHECKS } from '../../../scenarios/conformance/index.ts';
import { runGate } from '../../../scenarios/gate.ts';
import { History, type HistoryEvent } from '../../../scenarios/history.ts';
import type { RecordedPlayer, RecordedPublisher, Stage, StageHand } from '../../../scenarios/stage.ts';
import { PretendNode, PretendTap } from '../pretend.ts';

const SCENARIOS = fileURLToPath(new URL('../../../scenarios/', import.meta.url));
const NOBODY_LISTENS = { rtmp: 1, http: 1, api: 1, srt: 1, rtc: 1, system: 1, redis: 1, stats: 1 };
/** Every wait of a check ends in a few thousand of these. */
const TICK_MS = 25;

/** Opens 12 000 connections by hand, which are refused one by one in any world: its judge alone is tried. */
const RUN = CHECKS.filter(({ id }) => id !== 'proxy/no-growth');

/** Fails every check that speaks by hand, whatever else its judge says. */
const WIRE_FAILED = 'wire.failed';

/** How a world denies a check what it is about. */
const WORLDS: Readonly<Record<string, Stage>> = {
  'every publisher is refused': stage({ publishes: false }),
  'no client joins': stage({ publishes: true }),
};

test('a judge never passes an empty history', () => {
  assert.deepEqual(
    passing(() => []),
    [],
  );
});

for (const unsaid of ['', WIRE_FAILED]) {
  test(`a judge never passes a history of steps without data, whichever they are${unsaid && `, but ${unsaid}`}`, () => {
    const steps = wordsOf(SCENARIOS)
      .filter((word) => word !== unsaid)
      .map((step, i): HistoryEvent => ({ t: i, type: 'step', step, data: {} }));
    assert.ok(steps.length > 500);
    assert.deepEqual(
      passing(() => steps),
      [],
    );
  });
}

test('a judge never passes what ended before anything was seen', () => {
  const ended: HistoryEvent[] = [
    { t: 1, type: 'generator', loopLagMs: 0 },
    { t: 1, type: 'not-observed', what: 'Publish.Start', withinMs: 3000 },
  ];
  assert.deepEqual(
    passing(() => ended),
    [],
  );
});

for (const [world, figures] of Object.entries(WORLDS)) {
  test(`no check passes where ${world}, observers give nothing and every connection is refused`, async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    let now = performance.now();
    mock.method(performance, 'now', () => now);
    try {
      let over = false;
      const running = Promise.all(RUN.map((check) => runIn(check, figures))).finally(() => {
        over = true;
      });
      // Their time is ours: what a check waits for does not come, however long it waits.
      while (!over) {
        await setImmediate();
        now += TICK_MS;
        mock.timers.tick(TICK_MS);
      }
      const verdicts = await running;
      assert.deepEqual(
        verdicts.filter(({ verdict }) => verdict === 'pass'),
        [],
      );
    } finally {
      mock.timers.reset();
      mock.restoreAll();
    }
  });
}

async function runIn(check: Check, figures: Stage) {
  const [finding] = await runGate({
    checks: [check],
    cluster: deadCluster(check),
    stage: figures,
    // That of this process is not ours to set: the gate would take it for one that jumped.
    clock: { jumps: 0, check() {} },
    signal: new AbortController().signal,
  });
  return { check: check.id, verdict: finding!.verdict, actual: finding!.actual };
}

function passing(historyOf: (check: Check) => readonly HistoryEvent[]): string[] {
  return CHECKS.filter((check) => passes(check, historyOf(check))).map(({ id }) => id);
}

/** Of the judge alone; as in the gate, nothing judged is no pass, and neither is a judge that throws. */
function passes(check: Check, events: readonly HistoryEvent[]): boolean {
  const history = new History();
  for (const event of events) history.append(event);
  try {
    const judgements = check.judge(history);
    return judgements.length > 0 && judgements.every(({ verdict }) => verdict === 'pass');
  } catch {
    return false;
  }
}

/** Whatever may be the name of a step. */
function wordsOf(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const literals = files.flatMap(
    (name) => readFileSync(join(folder, name), 'utf8').match(/'[a-z][a-z0-9 .-]*'/g) ?? [],
  );
  return [...new Set(literals.map((literal) => literal.slice(1, -1)))];
}

/** A cluster of which nothing but the names is there. */
function deadCluster(check: Check): Cluster {
  const topology = topologyByName(check.topologies[0]!);
  const nodes = new Map(
    topology.nodes.map((spec) => [
      spec.name,
      Object.assign(new PretendNode(spec), { ports: NOBODY_LISTENS }),
    ]),
  );
  const nothing = async (): Promise<never[]> => [];
  return {
    topology,
    engine: 'builtin',
    capabilities: new Set([...capabilitiesOf(topology, 'builtin'), ...check.needs]),
    entries: topology.entries.map((entry) => entryOf(entry, { host: '127.0.0.1', ports: NOBODY_LISTENS })),
    nodes: nodes as unknown as ReadonlyMap<string, ClusterNode>,
    taps: topology.nodes.flatMap(({ name, upstreams }) => upstreams.map((to) => new PretendTap(name, to))),
    udpTaps: [],
    api: () => ({
      versions: async () => ({ server: '', service: '', pid: '', version: '' }),
      clients: nothing,
      streams: nothing,
      kick: async () => 0,
    }),
    entry(use, protocol, node) {
      const found = this.entries.find(
        (entry) => entry.use === use && entry.protocol === protocol && (node ?? entry.node) === entry.node,
      );
      if (found === undefined) throw new Error(`no entry ${use} ${protocol}`);
      return found;
    },
    down: async () => {},
  };
}

function stage({ publishes }: { readonly publishes: boolean }): Stage {
  const never = (hand: StageHand, what: string) => (withinMs: number) =>
    hand.within(what, withinMs, new Promise<never>(() => {}));
  const refused = (hand: StageHand): never => {
    hand.history.append({ t: Date.now(), type: 'not-observed', what: 'Publish.Start', withinMs: 3000 });
    throw new NotObservedError('Publish.Start', 3000);
  };
  const client = {} as never;
  return {
    async publish(hand, { label }): Promise<RecordedPublisher> {
      if (!publishes) return refused(hand);
      return {
        label,
        client,
        frames: 0,
        pause() {},
        resume() {},
        sent: async () => {},
        stop: async () => {},
      };
    },
    async encode(hand, { label = 'encoder' }) {
      if (!publishes) return refused(hand);
      return { label, sessions: 1, sent: async () => {}, stop: async () => {} };
    },
    play(hand, _, label): RecordedPlayer {
      const nothing = never(hand, `${label} gets a frame`);
      return {
        label,
        client,
        playing: nothing,
        frames: (_, withinMs) => nothing(withinMs),
        closed: nothing,
        stop: async () => {},
      };
    },
    watch: (_, { label = 'viewer' }) => ({ label, sessions: 1, stop: async () => {} }),
    async crowd(hand, { label, clients }) {
      const nothing = never(hand, `${label} joins`);
      const figures = {
        requested: clients,
        joined: 0,
        failed: clients,
        dropped: 0,
        frames: 0,
        unstamped: 0,
        missing: 0,
        duplicated: 0,
        reordered: 0,
        corrupt: 0,
        framesOfWorst: 0,
      };
      return {
        label,
        figures,
        joined: nothing,
        frames: (_, withinMs) => nothing(withinMs),
        record: () => hand.history.append({ t: Date.now(), type: 'crowd', crowd: label, ...figures }),
        stop: async () => {},
      };
    },
  };
}
