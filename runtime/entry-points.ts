import { fileURLToPath } from 'node:url';

/** The folder of the project. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** What runs in a process of its own. */
export const ENTRY_POINTS = [
  'cli/main.ts',
  'drivers/swarm/worker.ts',
  'lab/builtin/main.ts',
  'lab/builtin/proxy/main.ts',
  'lab/builtin/stream-manager/main.ts',
  'lab/daemon-main.ts',
  'scenarios/bench/publishers-main.ts',
  'scenarios/benchmark/feeder.ts',
  'scenarios/benchmark/hls-feeder.ts',
  'scenarios/benchmark/reader.ts',
  'scenarios/benchmark/srt-feeder.ts',
  'scenarios/benchmark/stream-manager-asker.ts',
  'scenarios/benchmark/webrtc-feeder.ts',
  'scenarios/benchmark/webrtc-players.ts',
] as const;

export type EntryPoint = (typeof ENTRY_POINTS)[number];
