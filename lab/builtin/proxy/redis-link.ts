/** A connection to Redis that is up or down, and says so; commands fail at once while it is down. */
import { Redis } from 'ioredis';
import type { Log } from '../log.ts';
import type { RedisSettings } from './environment.ts';
import { Refusal, RefusalCode } from './load-balancer.ts';
import { KEEP, PICK, REGISTER } from './redis-scripts.ts';

const RETRY_MS = 200;

const LinkState = {
  down: 'down',
  /** It answers; what was lost is being put back. */
  restoring: 'restoring',
  up: 'up',
} as const;
type LinkState = (typeof LinkState)[keyof typeof LinkState];

export interface RedisLinkOptions {
  readonly settings: RedisSettings;
  /** Each command, in ms. */
  readonly timeoutMs: number;
  readonly log: Log;
  /** Mutant: once it was gone, it is never asked again. */
  readonly lostForGood?: boolean;
  /** Redis answers (again). Nobody else's commands go out before it resolves. */
  restore(): Promise<void>;
  onDown(): void;
  onUp(): void;
}

export class RedisLink {
  readonly #options: RedisLinkOptions;
  readonly #redis: Redis;
  #state: LinkState = LinkState.down;
  #probe: NodeJS.Timeout | undefined;
  #waiting: (() => void)[] = [];
  #closed = false;

  constructor(options: RedisLinkOptions) {
    this.#options = options;
    this.#redis = new Redis({
      ...options.settings,
      password: options.settings.password || undefined,
      commandTimeout: options.timeoutMs,
      connectTimeout: options.timeoutMs,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      retryStrategy: () => RETRY_MS,
      lazyConnect: true,
    });
    this.#redis.defineCommand('proxyRegister', { numberOfKeys: 2, lua: REGISTER });
    this.#redis.defineCommand('proxyPick', { numberOfKeys: 3, lua: PICK });
    this.#redis.defineCommand('proxyKeep', { numberOfKeys: 1, lua: KEEP });
    this.#redis.on('error', (error: Error) => this.#goDown(error.message));
    this.#redis.on('close', () => this.#goDown('closed'));
    this.#redis.on('ready', () => this.#look());
  }

  get isUp(): boolean {
    return this.#state === LinkState.up;
  }

  /** Resolves when it is up, or has failed once. */
  async start(): Promise<void> {
    await this.#redis.connect().catch(() => {});
    if (this.#redis.status === 'ready') await this.#settled();
  }

  /**
   * The answer of a command.
   * @throws Refusal NoState when Redis is down, or does not answer in time.
   */
  async ask<T>(command: string, ...args: (string | number)[]): Promise<T> {
    if (this.#state === LinkState.restoring) await this.#settled();
    if (this.#state !== LinkState.up) throw gone();
    return this.#send(command, args);
  }

  /** As `ask`, while what was lost is being put back. */
  restoring<T>(command: string, ...args: (string | number)[]): Promise<T> {
    return this.#send(command, args);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#probe);
    this.#redis.disconnect();
  }

  async #send<T>(command: string, args: readonly (string | number)[]): Promise<T> {
    try {
      return await (commands(this.#redis)[command]!.apply(this.#redis, [...args]) as Promise<T>);
    } catch (error) {
      this.#goDown((error as Error).message);
      throw gone();
    }
  }

  /** A Redis that is frozen, or still loading, is asked until it answers. */
  #look(): void {
    if (this.#closed || this.#state !== LinkState.down || this.#redis.status !== 'ready') return;
    clearTimeout(this.#probe);
    this.#redis.ping().then(
      () => this.#comeUp(),
      () => this.#lookLater(),
    );
  }

  #lookLater(): void {
    clearTimeout(this.#probe);
    if (!this.#closed) this.#probe = setTimeout(() => this.#look(), RETRY_MS).unref();
  }

  async #comeUp(): Promise<void> {
    if (this.#state !== LinkState.down) return;
    this.#state = LinkState.restoring;
    try {
      await this.#options.restore();
      if ((this.#state as LinkState) !== LinkState.restoring) return;
      this.#state = LinkState.up;
      this.#options.log('redis is up');
      this.#options.onUp();
      this.#settle();
    } catch {
      this.#goDown('it went while state was put back');
    }
  }

  #goDown(reason: string): void {
    if (this.#state !== LinkState.down) {
      if (this.#options.lostForGood) this.close();
      this.#state = LinkState.down;
      this.#options.log(`redis is down: ${reason}`);
      this.#options.onDown();
      this.#settle();
    }
    this.#lookLater();
  }

  #settled(): Promise<void> {
    if (this.#state === LinkState.up) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #settle(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

function commands(redis: Redis): Record<string, (...args: (string | number)[]) => unknown> {
  return redis as unknown as Record<string, (...args: (string | number)[]) => unknown>;
}

function gone(): Refusal {
  return new Refusal(RefusalCode.NoState, 'Redis, which knows the origins, does not answer');
}
