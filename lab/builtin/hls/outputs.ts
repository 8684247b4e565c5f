/** The HLS of a node: a segmenter for each stream that came through it, until some time after its end. */
import type { BuiltinConfig } from '../config.ts';
import { HLS_DISPOSE_SECONDS } from '../constants.ts';
import type { Log } from '../log.ts';
import type { Mutants } from '../mutants.ts';
import type { StreamOutput } from '../output.ts';
import type { Stream } from '../stream.ts';
import { HlsSegmenter } from './segmenter.ts';

interface Entry {
  readonly segmenter: HlsSegmenter;
  /** Runs while the stream has no source. */
  dispose: NodeJS.Timeout | undefined;
}

/** Parts of a name that may be parts of a file's path. */
const SAFE = /^[A-Za-z0-9_-][A-Za-z0-9._~-]{0,127}$/;

export class HlsOutputs {
  readonly #config: BuiltinConfig;
  readonly #directory: string;
  readonly #mutants: Mutants;
  readonly #log: Log;
  readonly #entries = new Map<string, Entry>();

  constructor(config: BuiltinConfig, directory: string, mutants: Mutants, log: Log) {
    this.#config = config;
    this.#directory = directory;
    this.#mutants = mutants;
    this.#log = log;
  }

  /** The stream has a source. Undefined when no file can have its name. */
  open(stream: Stream): StreamOutput | undefined {
    const { url, app, name } = stream;
    if (![...app.split('/'), name].every((part) => SAFE.test(part))) {
      this.#log(`hls: no file can be named after ${JSON.stringify(url)}`);
      return undefined;
    }
    const entry = this.#entries.get(url) ?? this.#make(url, app, name);
    clearTimeout(entry.dispose);
    const { segmenter } = entry;
    let closed = false;
    return {
      push: (frame) => segmenter.push(frame),
      close: () => {
        if (closed) return;
        closed = true;
        segmenter.close();
        const seconds = this.#config.settings.hls.disposeSeconds ?? HLS_DISPOSE_SECONDS;
        entry.dispose = setTimeout(() => this.#dispose(url, entry), seconds * 1000);
      },
    };
  }

  /** What the request path `/live/x.m3u8` or `/live/x-0.ts` names; undefined when it is not there. */
  file(path: string): Uint8Array | undefined {
    const match = /^(\/.+)\/((.+?)(?:\.m3u8|-\d+\.ts))$/.exec(path);
    if (!match) return undefined;
    return this.#entries.get(`${match[1]}/${match[3]}`)?.segmenter.file(match[2]!);
  }

  close(): void {
    for (const { dispose } of this.#entries.values()) clearTimeout(dispose);
  }

  #make(url: string, app: string, stream: string): Entry {
    const { settings } = this.#config;
    const segmenter = new HlsSegmenter({
      settings: settings.hls,
      directory: this.#directory,
      app,
      stream,
      mutants: this.#mutants,
      log: this.#log,
    });
    const entry: Entry = { segmenter, dispose: undefined };
    this.#entries.set(url, entry);
    return entry;
  }

  #dispose(url: string, entry: Entry): void {
    if (this.#mutants.has('hls-no-end')) return;
    this.#entries.delete(url);
    entry.segmenter.dispose();
  }
}
