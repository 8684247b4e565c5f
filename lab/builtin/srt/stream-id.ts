/** What an SRT caller asks for, as its stream id says it in SRS's forms (facts/srs.md 8). */

export interface SrtTarget {
  readonly app: string;
  /** With the id's other keys as its query. */
  readonly stream: string;
  readonly publish: boolean;
  /** Undefined when none is named. */
  readonly vhost?: string;
}

const PREFIX = '#!::';
/** What no stream id at all stands for. */
const EMPTY_MEANS = '#!::r=live/livestream,m=publish';
const DEFAULT_APP = 'live';

/**
 * - `#!::r=app/stream,m=publish|request` and further keys; `h=app/stream` is the old form, any other `h` a vhost. Without
 *   `m` it is a request.
 * - `app/stream`, or `stream` of app `live`: a request.
 * - nothing: publish live/livestream.
 *
 * Undefined when `m` is something else; its case does not matter.
 */
export function parseStreamId(streamId: string): SrtTarget | undefined {
  const id = streamId === '' ? EMPTY_MEANS : streamId;
  if (!id.startsWith(PREFIX)) return target(id, [], false);
  let resource = '';
  let publish = false;
  let vhost: string | undefined;
  const query: string[] = [];
  for (const pair of id.slice(PREFIX.length).replaceAll('?', ',').split(',')) {
    const equals = pair.indexOf('=');
    const key = equals < 0 ? pair : pair.slice(0, equals);
    const value = equals < 0 ? '' : pair.slice(equals + 1);
    if (key === 'r' || (key === 'h' && value.includes('/'))) resource = value;
    else if (key === 'm') {
      const mode = value.toLowerCase();
      if (mode !== 'publish' && mode !== 'request') return undefined;
      publish = mode === 'publish';
    } else if (key === 'h') vhost = value;
    else if (key !== '') query.push(pair);
  }
  return { ...target(resource, query, publish), ...(vhost && { vhost }) };
}

function target(resource: string, query: readonly string[], publish: boolean): SrtTarget {
  const path = resource.replace(/^\/+/, '');
  const slash = path.indexOf('/');
  const app = slash < 0 ? DEFAULT_APP : path.slice(0, slash);
  const name = path.slice(slash + 1);
  return { app, stream: query.length === 0 ? name : `${name}?${query.join('&')}`, publish };
}
