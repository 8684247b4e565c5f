/** What every client does alike, whatever it speaks: has a number, goes through its states, and closes once. */
import {
  type Client,
  type ClientObserver,
  type ClientOptions,
  ClientState,
  type Closed,
  CloseReason,
  PhaseTiming,
} from './client.ts';
import { wallClock } from './measure/clock.ts';

/** SRS's FLV edge follows three (facts/srs.md 1.5). */
export const MAX_REDIRECTS = 3;
/** SRS waits 30 s for a peer; a viewer does not. */
export const TIMEOUT_MS = 10_000;

let lastId = 0;

export abstract class LifecycleClient implements Client {
  readonly id: number;
  readonly url: string;
  readonly timing = new PhaseTiming();
  state: ClientState = ClientState.idle;
  closed: Closed | undefined = undefined;
  abstract readonly bytesIn: number;
  protected readonly options: ClientOptions;
  protected readonly observer: ClientObserver | undefined;

  constructor(url: string, options: ClientOptions = {}, observer?: ClientObserver) {
    this.id = options.id ?? ++lastId;
    this.url = url;
    this.options = options;
    this.observer = observer;
  }

  /** Begins to connect. */
  protected abstract start(): void;
  /** The client is closed: lets go of all it holds. In an orderly way when the user closed it. */
  protected abstract release(orderly: boolean): void;
  open(): void {
    if (this.state !== ClientState.idle) return;
    this.timing.started = wallClock.now();
    this.start();
  }

  close(): void {
    if (this.state === ClientState.closed) return;
    this.fail(CloseReason.local, 'local', 'close() was called');
  }

  protected enter(state: ClientState): void {
    if (this.state === ClientState.closed) return;
    this.state = state;
    this.observer?.onState?.(this, state, wallClock.now());
  }

  /** Closes for good; the first reason wins. */
  protected fail(reason: CloseReason, code: string, detail: string): void {
    if (this.state === ClientState.closed) return;
    this.closed = { reason, during: this.state, code, detail };
    this.state = ClientState.closed;
    this.release(reason === CloseReason.local);
    const at = wallClock.now();
    this.timing.closed = at;
    this.observer?.onState?.(this, ClientState.closed, at);
    this.observer?.onClosed?.(this, this.closed, at);
  }
}
