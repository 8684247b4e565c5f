/** Where a stream is that is not published here: coworkers are asked, one after the other (facts/srs.md 2). */
import { requestText } from '../http-request.ts';
import {
  type ClusterQuery,
  clusterTarget,
  isOwn,
  type OriginAddress,
  readClusterAnswer,
} from './cluster-api.ts';
import type { MediaNode } from './node.ts';

/** An answer is below 1 KiB. */
const MAX_ANSWER_BYTES = 64 * 1024;
const FOR_EVER_MS = 2 ** 31 - 1;
/** Mutant: a coworker that answers sooner is not noticed to hold the node. */
const BLOCKED_AFTER_MS = 100;

interface Question {
  readonly waiting: Set<(origin: OriginAddress | undefined) => void>;
  readonly abort: AbortController;
}

export class Coworkers {
  readonly #node: MediaNode;
  readonly #addresses: readonly string[];
  /** Players who ask for the same at the same time share a question, which ends with the last of them. */
  readonly #questions = new Map<string, Question>();
  /** Mutant. */
  readonly #remembered = new Map<string, OriginAddress>();

  /** @param addresses `host:port` of each one's HTTP API. */
  constructor(node: MediaNode, addresses: readonly string[]) {
    this.#node = node;
    this.#addresses = addresses;
  }

  /**
   * Asks each in turn until one has the stream.
   * @param answer called once, with undefined when none has it.
   * @returns ends the wait: nobody is called any more.
   */
  ask(query: ClusterQuery, answer: (origin: OriginAddress | undefined) => void): () => void {
    const key = JSON.stringify(query);
    const question = this.#questions.get(key) ?? this.#begin(key, query);
    question.waiting.add(answer);
    return () => {
      question.waiting.delete(answer);
      if (question.waiting.size === 0) question.abort.abort();
    };
  }

  close(): void {
    for (const { waiting, abort } of this.#questions.values()) {
      waiting.clear();
      abort.abort();
    }
  }

  #begin(key: string, query: ClusterQuery): Question {
    const question: Question = { waiting: new Set(), abort: new AbortController() };
    this.#questions.set(key, question);
    question.abort.signal.addEventListener('abort', () => {
      if (this.#questions.get(key) === question) this.#questions.delete(key);
    });
    this.#find(query, question.abort.signal).then((origin) => {
      if (this.#questions.get(key) === question) this.#questions.delete(key);
      for (const answer of question.waiting) answer(origin);
    });
    return question;
  }

  async #find(query: ClusterQuery, signal: AbortSignal): Promise<OriginAddress | undefined> {
    const { config, log, mutants } = this.#node;
    const name = `${query.app}/${query.stream}`;
    const remembered = this.#remembered.get(name);
    if (remembered) return remembered;
    const asked = mutants.has('origin-asks-first-coworker-only')
      ? this.#addresses.slice(0, 1)
      : this.#addresses;
    for (const coworker of asked) {
      if (signal.aborted) return undefined;
      try {
        const origin = await this.#ask(coworker, query, signal);
        if (!origin) continue;
        if (isOwn(config, origin) && !mutants.has('origin-believes-to-be-elsewhere')) {
          log(`coworker ${coworker} says that ${name} is here, where it is not`);
          continue;
        }
        if (mutants.has('origin-remembers-coworker')) this.#remembered.set(name, origin);
        return origin;
      } catch (error) {
        if (!signal.aborted) log(`coworker ${coworker} ${error instanceof Error ? error.message : error}`);
        if (mutants.has('origin-dies-of-coworker') && error instanceof SyntaxError) process.exit(1);
      }
    }
    return mutants.has('origin-redirects-nowhere')
      ? { ip: addressOf(this.#addresses[0]!).host, port: config.rtmpPort }
      : undefined;
  }

  async #ask(coworker: string, query: ClusterQuery, signal: AbortSignal): Promise<OriginAddress | undefined> {
    const { mutants, timeouts } = this.#node;
    const at = addressOf(coworker);
    const timeoutMs = mutants.has('origin-waits-for-coworker') ? FOR_EVER_MS : timeouts.coworker;
    const limits = { timeoutMs, maxBody: MAX_ANSWER_BYTES, signal };
    const blocking = mutants.has('origin-blocked-by-coworker')
      ? setTimeout(() => block(timeouts.coworker), BLOCKED_AFTER_MS)
      : undefined;
    try {
      const text = await requestText(at, 'POST', clusterTarget(query, coworker), limits, '');
      return readClusterAnswer(text, mutants);
    } finally {
      clearTimeout(blocking);
    }
  }
}

function addressOf(coworker: string): { host: string; port: number } {
  const at = coworker.lastIndexOf(':');
  return { host: coworker.slice(0, at), port: Number(coworker.slice(at + 1)) };
}

/** Mutant: the whole process waits. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
