/** The 302 of an origin that knows who has the stream (facts/srs.md 2: the form and the order are SRS's). */
import { type Command, playRedirectCommand } from '../../protocols/rtmp/commands.ts';
import type { OriginAddress } from './cluster-api.ts';
import type { BuiltinConfig } from './config.ts';
import type { Mutants } from './mutants.ts';
import type { MediaNode } from './node.ts';
import { DEFAULT_VHOST, paramWithVhost, type RequestUrl, withoutQuery } from './request-url.ts';
import type { Stream } from './stream.ts';

export interface Elsewhere {
  /** The command that sends the player there. */
  onFound(redirect: Command): void;
  onNowhere(reason: string): void;
}

/**
 * Asks the node's coworkers for a stream that is not published here. A player of one that is published here meanwhile
 * is served as any other: nothing is called then.
 * @param requested stream name with its query.
 * @returns ends the wait; undefined when there is nobody to ask, or no need to.
 */
export function askElsewhere(
  { coworkers, config, mutants }: MediaNode,
  stream: Stream,
  app: string,
  requested: string,
  { onFound, onNowhere }: Elsewhere,
): (() => void) | undefined {
  if (!coworkers || (stream.publisher && !mutants.has('origin-asks-always'))) return undefined;
  const { asked, url } = stream;
  const query = {
    vhost: DEFAULT_VHOST,
    ip: asked.host,
    app: withoutQuery(app),
    stream: withoutQuery(requested),
  };
  return coworkers.ask(query, (origin) => {
    if (stream.publisher && !mutants.has('origin-closes-after-asking')) return;
    if (origin) onFound(redirectTo(misled(origin, config, mutants), { ...query, url: asked }, mutants));
    else if (!mutants.has('origin-keeps-players-of-nowhere')) onNowhere(`no coworker has ${url} (code 3091)`);
  });
}

/** Without queries; what they were is in `url`. */
interface Play {
  readonly app: string;
  readonly stream: string;
  readonly url: RequestUrl;
}

function redirectTo(origin: OriginAddress, { app, stream, url }: Play, mutants: Mutants): Command {
  const asked = mutants.has('origin-redirect-loses-vhost') ? { host: '', param: unhosted(url.param) } : url;
  const param = mutants.has('origin-redirect-loses-query') ? '' : paramWithVhost(asked);
  const command = playRedirectCommand(`rtmp://${origin.ip}:${origin.port}/${app}/${stream}${param}`);
  return spoilt(command, mutants);
}

/** Mutant: where players go instead. */
function misled(origin: OriginAddress, config: BuiltinConfig, mutants: Mutants): OriginAddress {
  return mutants.has('origin-redirects-to-itself') ? { ip: config.host, port: config.rtmpPort } : origin;
}

function unhosted(param: string): string {
  return param.replace(/(?<=[?&])(vhost|domain)=[^&]*&?/g, '').replace(/[?&]$/, '');
}

function spoilt(command: Command, mutants: Mutants): Command {
  const information = command.args[0] as Record<string, unknown> & { ex: Record<string, unknown> };
  const { ex } = information;
  if (mutants.has('origin-redirect-without-stream')) ex.redirect2 = ex.redirect;
  if (mutants.has('origin-redirect-wrong-code')) ex.code = 301;
  if (mutants.has('origin-redirect-wrong-status')) information.code = 'NetStream.Play.Failed';
  if (mutants.has('origin-redirect-without-ex')) delete (information as Record<string, unknown>).ex;
  return command;
}
