/** A process of publishers: told over IPC how many and where, tells how they fare, and ends with its parent. */
import { type PublishFigures, runPublish } from '../../drivers/swarm/load.ts';

export interface PublishersTask {
  /** `%d` is the number of the stream, from 1. */
  readonly url: string;
  readonly streams: number;
  readonly file: string;
}

export type FromPublishers =
  | { readonly type: 'ready' }
  | { readonly type: 'tick'; readonly publishing: number; readonly failed: number }
  | { readonly type: 'done'; readonly figures: PublishFigures };

function tell(message: FromPublishers, then?: () => void): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => then?.());
}

const stop = new AbortController();
process.on('message', async (message: PublishersTask | 'stop') => {
  if (message === 'stop') {
    stop.abort();
    return;
  }
  const figures = await runPublish({
    ...message,
    signal: stop.signal,
    onTick: ({ publishing, failed }) => tell({ type: 'tick', publishing, failed }),
  });
  tell({ type: 'done', figures }, () => process.disconnect());
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
process.on('disconnect', () => process.exit());
tell({ type: 'ready' });
