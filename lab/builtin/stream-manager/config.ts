/** What a stream manager is started with: one JSON document, as the last argument of `stream-manager/main.ts`. */

export interface StreamManagerConfig {
  /** In its log. */
  readonly name: string;
  /** Address that the listener binds to. */
  readonly host: string;
  readonly apiPort: number;
  /** Keeps the state beside the manager's own memory, and carries changes to other managers. Default none. */
  readonly redis?: RedisConfig;
  /** In ms; DEFAULT_TIMES where left out. */
  readonly times?: Partial<ManagerTimes>;
  /** DEFAULT_LIMITS where left out. */
  readonly limits?: Partial<ManagerLimits>;
  /** Ids from lab/builtin/mutants.ts. */
  readonly mutants: readonly string[];
}

export interface RedisConfig {
  readonly host: string;
  readonly port: number;
  /** Default 0. */
  readonly db?: number;
  /** Before every key and channel. Default `liveproof:streams`. The password is STREAM_MANAGER_REDIS_PASSWORD. */
  readonly prefix?: string;
}

export interface ManagerTimes {
  /** An origin that has given no sign of life for so long is dead: no answer points at it. */
  readonly originTtl: number;
  /** An origin whose API is known is asked this often whether it lives. */
  readonly poll: number;
  /** An origin's API is asked this often which streams it has. */
  readonly reconcile: number;
  /** A stream that was reported so short a time ago need not be in the origin's API: SRS calls its hook first. */
  readonly grace: number;
  /** A dead origin is asked whether it lives again until this is over. */
  readonly forget: number;
}

export interface ManagerLimits {
  readonly origins: number;
  readonly streams: number;
  /** Of the body of a report, in bytes. */
  readonly body: number;
  /** Withdrawals that are kept for a Redis which does not answer; the oldest go first. */
  readonly withdrawals: number;
}

export const DEFAULT_TIMES: ManagerTimes = {
  originTtl: 10_000,
  poll: 2000,
  reconcile: 10_000,
  grace: 2000,
  forget: 600_000,
};

export const DEFAULT_LIMITS: ManagerLimits = {
  origins: 10_000,
  streams: 1_000_000,
  body: 4 * 1024 * 1024,
  withdrawals: 100_000,
};
