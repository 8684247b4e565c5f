/** Where a stream is, in SRS's form (facts/srs.md 2), for one who asks because he has not got it. */
import type { Mutants } from '../mutants.ts';
import { partsOf, peerOf, streamKey } from './address.ts';
import type { ManagerMetrics, RedisState } from './metrics.ts';
import type { OriginWatch } from './origin-watch.ts';
import { parseQuery } from './query.ts';
import type { Publication, Registry } from './registry.ts';

export interface Known {
  readonly registry: Registry;
  readonly watch: OriginWatch;
  readonly metrics: ManagerMetrics;
  readonly redis: (() => RedisState) | undefined;
  readonly mutants: Mutants;
}

/** A socket. */
interface Asker {
  readonly remoteAddress?: string | undefined;
}

interface Question {
  readonly ip: string;
  readonly vhost: string;
  readonly app: string;
  readonly stream: string;
}

export class Questions {
  readonly #known: Known;

  constructor(known: Known) {
    this.#known = known;
  }

  /**
   * The body of the answer, from memory; undefined when an origin has to be asked before.
   * @param url with the question as its query
   * @param asker whose address is not looked up unless it matters
   */
  answerNow(url: string, asker: Asker): string | undefined {
    const question = questionOf(url);
    const publication = this.#find(question);
    if (publication === undefined) return this.#absent(question);
    return this.#mayBeAsker(publication, question, asker) ? undefined : this.#found(question, publication);
  }

  /**
   * The body of the answer; undefined for none (a mutant). Where the answer's address is that of who asks, or the one
   * that the player was sent to before, the origin itself is asked first.
   */
  async answer(url: string, asker: Asker): Promise<string | undefined> {
    const { registry, watch } = this.#known;
    const question = questionOf(url);
    const publication = this.#find(question);
    if (publication === undefined) return this.#absent(question);
    const { key, origin } = publication;
    if (!this.#mayBeAsker(publication, question, asker) || (await watch.verify(origin, key)))
      return this.#found(question, publication);
    const next = registry.find(key);
    return next === undefined || next === publication ? this.#absent(question) : this.#found(question, next);
  }

  #find({ vhost, app, stream }: Question): Publication | undefined {
    const { registry, mutants, redis } = this.#known;
    if (mutants.has('manager-needs-redis') && redis && !redis().connected) return undefined;
    const publication = registry.find(streamKey(vhost, app, stream));
    return publication === undefined && mutants.has('manager-answers-absent') ? anyOf(registry) : publication;
  }

  #mayBeAsker({ origin }: Publication, { ip }: Question, asker: Asker): boolean {
    if (origin.api === undefined || this.#known.mutants.has('manager-points-at-asker')) return false;
    return origin.rtmp.host === ip || origin.rtmp.host === peerOf(asker.remoteAddress);
  }

  #found(query: Question, publication: Publication): string {
    this.#known.metrics.queries.found++;
    return JSON.stringify({
      code: 0,
      data: { query, origin: originFor(publication, this.#known.mutants) },
    });
  }

  #absent(query: Question): string | undefined {
    const { mutants, metrics } = this.#known;
    if (mutants.has('manager-holds-absent')) return undefined;
    metrics.queries.absent++;
    return JSON.stringify({ code: 0, data: { query, origin: null } });
  }
}

function questionOf(url: string): Question {
  const query = parseQuery(url);
  return {
    ip: query.get('ip') ?? '',
    vhost: query.get('vhost') ?? '',
    app: query.get('app') ?? '',
    stream: query.get('stream') ?? '',
  };
}

function originFor({ key, origin }: Publication, mutants: Mutants) {
  const { host, port } = origin.rtmp;
  const api = origin.api ?? '';
  return {
    ip: host,
    port: mutants.has('manager-port-as-text')
      ? String(port)
      : port + (mutants.has('manager-wrong-port') ? 1 : 0),
    vhost: partsOf(key).vhost,
    api,
    routers: api === '' ? [] : [api],
  };
}

function anyOf(registry: Registry): Publication | undefined {
  for (const [publication] of registry.streams.values()) return publication;
  return undefined;
}
