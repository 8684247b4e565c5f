import { ProtocolError, ProtocolErrorCode } from '../errors.ts';

export interface RtmpUrl {
  /** Name or address; an IPv6 address without its brackets. */
  host: string;
  /** Default 1935. */
  port: number;
  /** The application for connect, with instance and parameters if the URL puts them before the stream. */
  app: string;
  /** The stream for play or publish, with its parameters; empty when the URL ends with the application. */
  stream: string;
  /** For connect; the port is left out when it is 1935, as SRS does. */
  tcUrl: string;
  /** The virtual host that the parameters name (`vhost` or `domain`), as SRS reads them. */
  vhost?: string;
}

const defaultPort = 1935;

/**
 * Reads `rtmp://host[:port]/app[/instance]/stream[?parameters]`, and the older `/app?vhost=name/stream`.
 * @throws ProtocolError Url.
 */
export function parseRtmpUrl(url: string): RtmpUrl {
  const match = /^rtmp:\/\/(\[[0-9a-f:.]+\]|[^/:?#[\]@\s]+)(?::(\d{1,5}))?\/([^\s#]+)$/i.exec(url);
  if (match === null) throw notRtmp(url);
  const [, authority = '', portText, rest = ''] = match;
  const port = portText === undefined ? defaultPort : Number(portText);
  if (port < 1 || port > 65535) throw notRtmp(url);

  const { app, stream } = splitPath(rest);
  if (app === '' || app.startsWith('?')) throw notRtmp(url);
  const result: RtmpUrl = {
    host: authority.startsWith('[') ? authority.slice(1, -1) : authority,
    port,
    app,
    stream,
    tcUrl: `rtmp://${authority}${port === defaultPort ? '' : `:${port}`}/${app}`,
  };
  const vhost = parameter(stream, 'vhost') ?? parameter(app, 'vhost') ?? parameter(stream, 'domain');
  if (vhost !== undefined) result.vhost = vhost;
  return result;
}

/** The stream begins after the last slash of the path; parameters may hold slashes of their own. */
function splitPath(rest: string): { app: string; stream: string } {
  const query = rest.indexOf('?');
  const path = query < 0 ? rest : rest.slice(0, query);
  let slash = path.lastIndexOf('/');
  if (slash < 0 && query >= 0) slash = rest.lastIndexOf('/');
  return slash < 0 ? { app: rest, stream: '' } : { app: rest.slice(0, slash), stream: rest.slice(slash + 1) };
}

function parameter(text: string, name: string): string | undefined {
  const query = text.indexOf('?');
  if (query < 0) return undefined;
  for (const pair of text.slice(query + 1).split('&')) {
    if (pair.startsWith(`${name}=`) && pair.length > name.length + 1) return pair.slice(name.length + 1);
  }
  return undefined;
}

function notRtmp(url: string): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.Url, 'rtmp://host[:port]/app/stream', JSON.stringify(url));
}
