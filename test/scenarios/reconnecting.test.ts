import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FFMPEG, type Habit, OBS, VIEWER } from '../../scenarios/habits.ts';
import { History } from '../../scenarios/history.ts';
import { Encoder, type Session, Viewer } from '../../scenarios/reconnecting.ts';
import type { RecordedPlayer, RecordedPublisher, StageHand } from '../../scenarios/stage.ts';
import { eventually } from '../drivers/support/observe.ts';

const waits = (habit: Habit, count: number) => Array.from({ length: count }, (_, i) => habit.waitMs(i));

test('ffmpeg comes back at once, then every second; OBS after 2 s, half as long again each time, at most 15 min', () => {
  assert.deepEqual(waits(FFMPEG, 3), [0, 1000, 1000]);
  assert.deepEqual(waits(OBS, 4), [2000, 3000, 4500, 6750]);
  assert.equal(OBS.waitMs(25), 900_000);
  assert.deepEqual(waits(VIEWER, 4), [0, 1000, 3000, 7000]);
  assert.equal(VIEWER.waitMs(20), 120_000);
});

const AT_ONCE: Habit = { name: 'test', waitMs: (failures) => failures };

function stageHand() {
  const history = new History();
  const abort = new AbortController();
  const actions: (() => void | Promise<void>)[] = [];
  const hand: StageHand = {
    history,
    signal: abort.signal,
    within: (_, __, promise) => promise,
    cleanUp: (action) => actions.push(action),
  };
  return { history, hand, takeDown: () => Promise.all(actions.map((action) => action())) };
}

/** A session that the test starts and ends. */
class PretendSession implements Session {
  readonly stream = 7;
  readonly frameAtStart: number | undefined;
  readonly started: Promise<void>;
  readonly ended: Promise<void>;
  start!: () => void;
  end!: () => void;
  frames = 0;
  readonly publisher: RecordedPublisher;

  constructor(continues: { frame(): number } | undefined) {
    this.frameAtStart = continues?.frame();
    this.started = new Promise((resolve) => {
      this.start = resolve;
    });
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
    const self = this;
    this.publisher = {
      label: 'encoder',
      get frames() {
        return self.frames;
      },
      stop: async () => self.end(),
    } as unknown as RecordedPublisher;
  }
}

const tick = () => new Promise((resolve) => setTimeout(resolve, 15));

test('an encoder goes on with its stream number and its clock, under one label, until it is stopped', async () => {
  const { history, hand, takeDown } = stageHand();
  const sessions: PretendSession[] = [];
  const encoder = new Encoder(hand, { url: '', label: 'encoder', habit: AT_ONCE }, (continues) => {
    if (sessions.length > 0) assert.equal((continues as { stream: number }).stream, 7);
    const session = new PretendSession(continues);
    sessions.push(session);
    return session;
  });
  sessions[0]!.start();
  await encoder.started;
  sessions[0]!.frames = 500;
  sessions[0]!.end();
  await tick();
  assert.equal(encoder.sessions, 2);
  // Never a number that was sent, whatever the clock says.
  assert.equal(sessions[1]!.frameAtStart, 500);
  // One that comes to nothing is followed by the next, after a longer wait.
  sessions[1]!.end();
  await tick();
  sessions[2]!.end();
  await tick();
  assert.deepEqual(
    history.of('client.attempt').map(({ session, waitedMs }) => [session, waitedMs]),
    [
      [1, 0],
      [2, 0],
      [3, 1],
      [4, 2],
    ],
  );
  await takeDown();
  await tick();
  assert.equal(encoder.sessions, 4);
});

test('a viewer comes back when its connection ends, and when its picture stands still', async () => {
  const { history, hand, takeDown } = stageHand();
  const closed = (reason: 'local' | 'remote') =>
    history.append({
      t: 1,
      type: 'client.closed',
      client: 'viewer',
      reason,
      during: 'streaming',
      code: 'x',
      detail: '',
    });
  let stopped = 0;
  const player = {
    stop: async () => {
      stopped++;
      closed('local');
    },
  } as unknown as RecordedPlayer;
  const viewer = new Viewer(hand, { url: '', label: 'viewer', habit: AT_ONCE, patienceMs: 40 }, () => player);
  assert.equal(viewer.sessions, 1);
  closed('remote');
  await tick();
  assert.deepEqual([viewer.sessions, stopped], [2, 0]);
  await eventually(2000, 'it comes back from a picture that stands still', () => viewer.sessions >= 3);
  assert.ok(stopped >= 1);
  assert.equal(history.of('client.problem')[0]?.code, 'viewer.silent');
  await takeDown();
  const { sessions } = viewer;
  await tick();
  assert.equal(viewer.sessions, sessions);
});
