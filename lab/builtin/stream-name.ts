/** Streams are known by `/app/stream`, without extension, query and vhost (facts/srs.md 3.6). */
import { withoutQuery } from './request-url.ts';

export interface StreamName {
  readonly app: string;
  /** As asked for, with extension and query. */
  readonly requested: string;
  readonly name: string;
  readonly url: string;
}

/** Undefined when there is no app or no stream in it. */
export function streamName(app: string, requested: string): StreamName | undefined {
  const plainApp = withoutQuery(app).replace(/^\/+|\/+$/g, '');
  const name = withoutQuery(requested)
    .replace(/^\/+/, '')
    .replace(/\.[^./]*$/, '');
  if (plainApp === '' || name === '') return undefined;
  return { app: plainApp, requested, name, url: `/${plainApp}/${name}` };
}

/** Of a request target of HTTP-FLV or HTTP-TS: `/app/stream.flv?query`. */
export function liveStreamName(target: string, extension: 'flv' | 'ts'): StreamName | undefined {
  const match = /^\/([^?]+)\/([^/?]+\.(flv|ts))(\?.*)?$/.exec(target);
  return match?.[3] === extension ? streamName(match[1]!, match[2]!) : undefined;
}
