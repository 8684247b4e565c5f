/** Figures that come back by themselves: encoders that go on encoding, and viewers. */
import { wallClock } from '../drivers/measure/clock.ts';
import type { Continuation } from '../drivers/measure/publishing.ts';
import { type Habit, VIEWER_PATIENCE_MS } from './habits.ts';
import {
  type EncodeRequest,
  FRAME_MS,
  type PlayOptions,
  type RecordedEncoder,
  type RecordedPlayer,
  type RecordedPublisher,
  type RecordedViewer,
  type StageHand,
  type WatchRequest,
} from './stage.ts';

/** One connection of an encoder. `started` rejects when it ends before Publish.Start; `ended` resolves at its end. */
export interface Session {
  readonly publisher: RecordedPublisher;
  /** Of its stamps. */
  readonly stream: number;
  readonly started: Promise<void>;
  readonly ended: Promise<void>;
}

/** Connects once, under the label that it is given. */
export type Begin = (continues: Continuation | undefined) => Session;

/** Goes from session to session until it is stopped, or its check is over. */
abstract class Reconnecting {
  readonly label: string;
  protected readonly hand: StageHand;
  readonly #habit: Habit;
  #failures = 0;
  #sessions = 0;
  #waiting: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(hand: StageHand, label: string, habit: Habit) {
    this.hand = hand;
    this.label = label;
    this.#habit = habit;
    hand.cleanUp(() => this.stop());
  }

  get sessions(): number {
    return this.#sessions;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#waiting);
    await this.end();
  }

  /** Begins a session; `lost` is called at its end, once. */
  protected abstract begin(): void;

  /** Ends the session, if there is one. */
  protected abstract end(): Promise<void>;

  protected connect(waitedMs: number): void {
    if (this.#stopped || this.hand.signal.aborted) return;
    const session = ++this.#sessions;
    const t = wallClock.now();
    this.hand.history.append({ t, type: 'client.attempt', client: this.label, session, waitedMs });
    this.begin();
  }

  /** The session is of use: what comes next is a break and not a failure to connect. */
  protected arrived(): void {
    this.#failures = 0;
  }

  protected lost(): void {
    if (this.#stopped || this.hand.signal.aborted) return;
    const waitMs = this.#habit.waitMs(this.#failures++);
    this.#waiting = setTimeout(() => this.connect(waitMs), waitMs);
  }
}

/** Its frames are numbered by its clock, so that what it could not send is missing from the numbers. */
export class Encoder extends Reconnecting implements RecordedEncoder {
  readonly #begin: Begin;
  #session: Session | undefined;
  #stream: number | undefined;
  #startedAt = Number.NaN;
  #next = 0;

  constructor(hand: StageHand, request: EncodeRequest & { readonly label: string }, begin: Begin) {
    super(hand, request.label, request.habit);
    this.#begin = begin;
    this.connect(0);
  }

  /** Of the session that is under way. */
  get started(): Promise<void> {
    return this.#session!.started;
  }

  sent(count: number, withinMs: number): Promise<void> {
    return this.#session!.publisher.sent(count, withinMs);
  }

  protected override begin(): void {
    const stream = this.#stream;
    const session = this.#begin(stream === undefined ? undefined : { stream, frame: () => this.#frameNow() });
    this.#stream = session.stream;
    this.#session = session;
    session.started.then(
      () => {
        this.arrived();
        if (Number.isNaN(this.#startedAt)) this.#startedAt = performance.now();
        const t = wallClock.now();
        this.hand.history.append({ t, type: 'client.state', client: this.label, state: 'streaming' });
      },
      () => {},
    );
    void session.ended.then(() => {
      this.#next = Math.max(this.#next, session.publisher.frames);
      this.lost();
    });
  }

  protected override async end(): Promise<void> {
    await this.#session?.publisher.stop();
  }

  /** Never one that was sent. */
  #frameNow(): number {
    if (Number.isNaN(this.#startedAt)) return 0;
    return Math.max(this.#next, Math.round((performance.now() - this.#startedAt) / FRAME_MS));
  }
}

/** Comes back when its connection ends, and when its picture stands still. */
export class Viewer extends Reconnecting implements RecordedViewer {
  readonly #play: () => RecordedPlayer;
  readonly #patienceMs: number;
  #player: RecordedPlayer | undefined;
  #patience: NodeJS.Timeout | undefined;

  constructor(
    hand: StageHand,
    { label, habit, patienceMs = VIEWER_PATIENCE_MS }: WatchRequest & { readonly label: string },
    play: (label: string, options: PlayOptions | undefined) => RecordedPlayer,
    options?: PlayOptions,
  ) {
    super(hand, label, habit);
    this.#play = () => play(label, options);
    this.#patienceMs = patienceMs;
    const end = hand.history.subscribe((event) => {
      if (event.type === 'player.got' && event.client === label && event.kind === 'video') {
        this.arrived();
        this.#look();
      } else if (event.type === 'client.closed' && event.client === label) {
        clearTimeout(this.#patience);
        this.#player = undefined;
        this.lost();
      }
    });
    hand.cleanUp(end);
    this.connect(0);
  }

  protected override begin(): void {
    this.#player = this.#play();
    this.#look();
  }

  protected override async end(): Promise<void> {
    clearTimeout(this.#patience);
    await this.#player?.stop();
  }

  #look(): void {
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => {
      const detail = `no frame for ${this.#patienceMs} ms`;
      const t = wallClock.now();
      this.hand.history.append({
        t,
        type: 'client.problem',
        client: this.label,
        code: 'viewer.silent',
        detail,
      });
      void this.#player?.stop();
    }, this.#patienceMs);
  }
}
