/** Tells who is being served by an origin that has died without a word: a frozen one keeps its connections. */
import type { ProxyContext } from './context.ts';
import type { Backend } from './load-balancer.ts';

/** A Redis that was gone may have forgotten an origin until its next heartbeat: it is missed that often in a row. */
const MISSED = 2;

interface Watch {
  readonly backend: Backend;
  readonly onDead: () => void;
}

/** Looks twice within the life of an origin, as long as anybody is being served. */
export class DeadOrigins {
  readonly #context: Omit<ProxyContext, 'deadOrigins'>;
  readonly #watches = new Set<Watch>();
  readonly #missed = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(context: Omit<ProxyContext, 'deadOrigins'>) {
    this.#context = context;
  }

  /**
   * @param onDead called once, unless the watch has ended: nothing is heard any more of this life of the origin.
   * @returns idempotent function to end the watch.
   */
  watch(backend: Backend, onDead: () => void): () => void {
    const watch = { backend, onDead };
    if (this.#context.mutants.has('proxy-keeps-frozen-origins')) return () => {};
    this.#watches.add(watch);
    this.#timer ??= setInterval(() => this.#look(), this.#context.timeouts.alive / MISSED).unref();
    return () => this.#end(watch);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#watches.clear();
  }

  #end(watch: Watch): void {
    this.#watches.delete(watch);
    if (this.#watches.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#missed.clear();
  }

  async #look(): Promise<void> {
    const alive = await this.#alive();
    if (alive === undefined) {
      this.#missed.clear();
      return;
    }
    for (const id of new Set([...this.#watches].map(({ backend }) => backend.id))) {
      this.#missed.set(id, alive.has(id) ? 0 : (this.#missed.get(id) ?? 0) + 1);
    }
    const enough = this.#context.mutants.has('proxy-dead-at-first-miss') ? 1 : MISSED;
    for (const watch of [...this.#watches]) {
      if ((this.#missed.get(watch.backend.id) ?? 0) < enough) continue;
      this.#end(watch);
      watch.onDead();
    }
  }

  /** Ids; undefined when nobody can say. */
  async #alive(): Promise<Set<string> | undefined> {
    try {
      return new Set((await this.#context.balancer.backends()).map(({ id }) => id));
    } catch {
      return undefined;
    }
  }
}
