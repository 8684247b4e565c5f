/** How long a benchmark takes, and how far it goes. Times in ms. */

export const PROFILES = ['quick', 'nightly'] as const;
export type ProfileName = (typeof PROFILES)[number];

export const PROTOCOLS = ['rtmp', 'flv', 'hls', 'srt', 'webrtc'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** `webrtc`: WHIP. */
export const PUBLISH_PROTOCOLS = ['rtmp', 'srt', 'webrtc'] as const;
export type PublishProtocol = (typeof PUBLISH_PROTOCOLS)[number];

export const PARTS = ['latency', 'concurrency', 'economics', 'claims'] as const;
export type Part = (typeof PARTS)[number];

export interface LadderProfile {
  /** Where each ladder begins, by what it climbs and its protocol. What has no start is not climbed. */
  readonly start: {
    readonly players: Readonly<Partial<Record<Protocol, number>>>;
    /** Per second. */
    readonly joins: Readonly<Partial<Record<Protocol, number>>>;
    readonly publishers: Readonly<Partial<Record<PublishProtocol, number>>>;
  };
  /** Never beyond, whatever the cluster would carry. */
  readonly limit: number;
  readonly factor: number;
  /** Bisection ends when the two ends are within this ratio. */
  readonly resolution: number;
  /** Of one ladder. */
  readonly budgetMs: number;
  /** Of one step, once everybody was to have joined. */
  readonly steadyMs: number;
  /** Over which joins are spread when joins are what is counted. */
  readonly joinMs: number;
}

interface FewAndMany {
  readonly few: number;
  readonly many: number;
}

export interface Profile {
  readonly name: ProfileName;
  readonly players: readonly number[];
  readonly repetitions: number;
  /** Of all latency measurements of a cluster: then no further round of them begins. */
  readonly latencyBudgetMs: number;
  /** Of one latency measurement; HLS waits for playlists and gets `hlsSteadyMs`. */
  readonly steadyMs: number;
  readonly hlsSteadyMs: number;
  /** Players that open at a time, per second, where joining is not what is measured. */
  readonly joinRate: number;
  readonly ladder: LadderProfile;
  /** `players`: in steps, the least first; `ms` of the last step, `fewMs` of those before. */
  readonly economics: { readonly players: readonly number[]; readonly ms: number; readonly fewMs: number };
  readonly levels: { readonly players: number; readonly ms: number };
  /** Clients of one process, few and many; few publishers are as many as are watched. `ms` of each. */
  readonly oneNode: Readonly<Record<'rtmp' | 'publishers' | 'webrtc', FewAndMany>> & { readonly ms: number };
}

const PLAYERS_START = { rtmp: 500, flv: 500, hls: 250, srt: 50, webrtc: 50 };

export const PROFILE_OF: Readonly<Record<ProfileName, Profile>> = {
  quick: {
    name: 'quick',
    players: [1, 100],
    repetitions: 5,
    latencyBudgetMs: 120_000,
    steadyMs: 1500,
    hlsSteadyMs: 3000,
    joinRate: 500,
    ladder: {
      // One protocol each of joins and publishers: with all of them it would be a minute and a half more.
      start: { players: PLAYERS_START, joins: { rtmp: 100 }, publishers: { rtmp: 50 } },
      limit: 4000,
      factor: 2,
      resolution: 1.4,
      budgetMs: 11_000,
      steadyMs: 2000,
      joinMs: 2000,
    },
    economics: { players: [1, 10, 100], ms: 4000, fewMs: 1000 },
    levels: { players: 10, ms: 5000 },
    oneNode: {
      rtmp: { few: 100, many: 800 },
      publishers: { few: 40, many: 200 },
      webrtc: { few: 20, many: 100 },
      ms: 3000,
    },
  },
  nightly: {
    name: 'nightly',
    players: [1, 100, 1000],
    repetitions: 5,
    latencyBudgetMs: 1_800_000,
    steadyMs: 8000,
    hlsSteadyMs: 10_000,
    joinRate: 500,
    ladder: {
      start: {
        players: PLAYERS_START,
        joins: { rtmp: 100, flv: 100, hls: 100, srt: 25, webrtc: 25 },
        publishers: { rtmp: 50, srt: 20, webrtc: 10 },
      },
      limit: 15_000,
      factor: 2,
      resolution: 1.1,
      budgetMs: 180_000,
      steadyMs: 10_000,
      joinMs: 5000,
    },
    economics: { players: [1, 10, 100, 300], ms: 15_000, fewMs: 5000 },
    levels: { players: 50, ms: 20_000 },
    oneNode: {
      rtmp: { few: 200, many: 2000 },
      publishers: { few: 40, many: 400 },
      webrtc: { few: 25, many: 200 },
      ms: 15_000,
    },
  },
};
