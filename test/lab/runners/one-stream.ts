/** One stream through a cluster: published at an entry, played at another until frames have come. */

import { createPlayer } from '../../../drivers/create.ts';
import { Publishing } from '../../../drivers/measure/publishing.ts';
import { MediaSource } from '../../../drivers/measure/source.ts';
import { type MediaSink, MediaType } from '../../../protocols/media.ts';

const MEDIA = new URL('../../../fixtures/media/av-480k.flv', import.meta.url);

export interface Published {
  stop(): void;
}

/** Publishes until it is stopped; rejects when the publisher is closed before it has sent a frame. */
export function publish(url: string): Promise<Published> {
  return new Promise((resolve, reject) => {
    const publishing = new Publishing(MediaSource.load(MEDIA.pathname), {
      onSent: (publication) => {
        if (publication.frames > 0) resolve({ stop: () => publishing.stop() });
      },
      onEnd: ({ client }) =>
        reject(new Error(`publisher of ${url}: ${client.closed?.code} ${client.closed?.detail}`)),
    });
    publishing.add(url);
  });
}

/** Resolves when so many video frames have come, and leaves; rejects when the player is closed before, or time is over. */
export function play(url: string, frames: number, withinMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let got = 0;
    const settle = (error?: Error): void => {
      clearTimeout(timer);
      if (error === undefined) resolve();
      else reject(error);
      player.close();
    };
    const sink: MediaSink = {
      begin() {},
      data() {},
      end(type) {
        if (type === MediaType.video && ++got === frames) settle();
      },
    };
    const player = createPlayer(
      url,
      sink,
      {},
      {
        onClosed: (_, { code, detail }) =>
          settle(new Error(`player of ${url}: ${code} ${detail}, ${got} frames`)),
      },
    );
    const timer = setTimeout(
      () => settle(new Error(`player of ${url}: ${got} of ${frames} frames in ${withinMs} ms`)),
      withinMs,
    );
    player.open();
  });
}
