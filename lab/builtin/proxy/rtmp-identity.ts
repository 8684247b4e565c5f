/** What an RTMP client wants, by its commands until play or publish. */
import { amfProperty } from '../../../protocols/amf0/amf0.ts';
import { type Command, encodeCommand } from '../../../protocols/rtmp/commands.ts';
import type { Message } from '../../../protocols/rtmp/message-assembler.ts';
import type { Mutants } from '../mutants.ts';
import { streamUrlOf } from './load-balancer.ts';

export interface RtmpIdentity {
  readonly use: 'play' | 'publish';
  readonly streamUrl: string;
  /** For the log: without parameters, which may be secrets. */
  readonly shown: string;
}

/** Undefined when there is no app or no stream in it. */
export function identify(connect: Command, request: Command): RtmpIdentity | undefined {
  const [app, appQuery] = halves(text(amfProperty(connect.object, 'app')));
  const tcUrl = text(amfProperty(connect.object, 'tcUrl'));
  const [stream, streamQuery] = halves(text(request.args[0]));
  const [, tcUrlQuery] = halves(tcUrl);
  const host = /^rtmps?:\/\/([^/:?]*|\[[^\]]*\])[:/?]/i.exec(tcUrl)?.[1] ?? '';
  const vhost = [streamQuery, appQuery, tcUrlQuery].map(vhostIn).find((name) => name !== undefined);
  const streamUrl = streamUrlOf({ host, app, stream, ...(vhost === undefined ? {} : { vhost }) });
  if (streamUrl === undefined) return undefined;
  return { use: request.name === 'play' ? 'play' : 'publish', streamUrl, shown: `/${app}/${stream}` };
}

/** A mutant that keeps the parameters to itself: those of the stream, as play and publish name it. */
export function withoutToken(message: Message, request: Command, mutants: Mutants): Message {
  if (!mutants.has('proxy-drops-token')) return message;
  const [stream] = halves(text(request.args[0]));
  return { ...message, payload: encodeCommand({ ...request, args: [stream, ...request.args.slice(1)] }) };
}

function vhostIn(query: string): string | undefined {
  return /(?:^|[&?])(?:vhost|domain)=([^&/?]+)/.exec(query)?.[1];
}

function halves(name: string): [string, string] {
  const at = name.indexOf('?');
  return at < 0 ? [name, ''] : [name.slice(0, at), name.slice(at + 1)];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
