/** URLs of WHIP and WHEP endpoints, as users write them. */
import { ProtocolError, ProtocolErrorCode } from '../../protocols/errors.ts';

/** The one that was asked for last: thousands of players have the same. Nobody changes it. */
let last: { readonly text: string; readonly scheme: string; readonly url: URL } | undefined;

/**
 * `whep://host[:port]/path[?query]` is `http://…` (port 80 when left out), `wheps://` is `https://`; `whip` likewise. The
 * path is the server's: `/rtc/v1/whep/?app=live&stream=x` of SRS, `/x/whep` of MediaMTX, `/whep/endpoint/x` of others.
 * Over TLS the server's certificate is always verified; one of a CA of one's own is trusted by NODE_EXTRA_CA_CERTS.
 * @throws ProtocolError Url
 */
export function signallingUrl(text: string, scheme: 'whip' | 'whep'): URL {
  if (last?.text === text && last.scheme === scheme) return last.url;
  const match = /^(whip|whep)(s?):\/\/(.+)$/i.exec(text);
  const http = match === null ? '' : `http${match[2]!.toLowerCase()}://${match[3]}`;
  if (match?.[1]?.toLowerCase() !== scheme || !URL.canParse(http) || new URL(http).hostname === '') {
    throw new ProtocolError(ProtocolErrorCode.Url, `${scheme}://… or ${scheme}s://…`, JSON.stringify(text));
  }
  const url = new URL(http);
  last = { text, scheme, url };
  return url;
}
