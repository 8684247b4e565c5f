/** What SRS lets pages of other origins do (its `crossdomain`, which is on by default). */
import type { RequestHead } from './http-head.ts';

/** SRS 7.0.18 as seen; only towards a request with Origin (srs_protocol_http_stack.cpp, SrsHttpCorsMux). */
const CORS =
  'Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Headers: *\r\nAccess-Control-Allow-Methods: *\r\n' +
  'Access-Control-Expose-Headers: *\r\nAccess-Control-Allow-Credentials: false\r\n' +
  'Access-Control-Request-Private-Network: true\r\n';

/** Fields of an answer, each with its line's end; none for a request that says no origin. */
export function corsFields(head: RequestHead): string {
  return head.field('origin') === undefined ? '' : CORS;
}
