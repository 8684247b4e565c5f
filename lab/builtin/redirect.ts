/** The 302 of an origin that knows who has the stream (facts/srs.md 2: the form and the order are SRS's). */
import { type Command, playRedirectCommand } from '../../protocols/rtmp/commands.ts';
import type { OriginAddress } from './cluster-api.ts';
import type { BuiltinConfig } from './config.ts';
import type { Mutants } from './mutants.ts';
import { paramWithVhost, type RequestUrl, withoutQuery } from './request-url.ts';

export interface RedirectedPlay {
  /** As the player asked for them; their queries are in `url`. */
  readonly app: string;
  readonly stream: string;
  readonly url: RequestUrl;
}

export function redirectTo(origin: OriginAddress, play: RedirectedPlay, mutants: Mutants): Command {
  const { app, stream, url } = play;
  const asked = mutants.has('origin-redirect-loses-vhost') ? { host: '', param: unhosted(url.param) } : url;
  const param = mutants.has('origin-redirect-loses-query') ? '' : paramWithVhost(asked);
  const path = `${withoutQuery(app)}/${withoutQuery(stream)}`;
  const command = playRedirectCommand(`rtmp://${origin.ip}:${origin.port}/${path}${param}`);
  return spoilt(command, mutants);
}

/** Mutant: where players go instead. */
export function misled(origin: OriginAddress, config: BuiltinConfig, mutants: Mutants): OriginAddress {
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
