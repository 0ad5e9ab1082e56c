/**
 * The idea on one screen: everything that answers is a Service, everything in between is a Filter, and a stack is an
 * array of filters in request order, composed once at build time. A handler that answers synchronously stays
 * synchronous through the whole stack.
 */
import type { Context } from "./context.ts";

/** Answers a request. */
export type Service<Request, Response> = (request: Request, context: Context) => Response | Promise<Response>;

/** Stands between a caller and a service. */
export type Filter<Request, Response> = (
  request: Request,
  context: Context,
  next: Service<Request, Response>,
) => Response | Promise<Response>;

/** Composes `filters`, first one outermost, around `service`. Call it at build time only: it allocates closures. */
export function compose<Request, Response>(
  filters: readonly Filter<Request, Response>[],
  service: Service<Request, Response>,
): Service<Request, Response> {
  return filters.reduceRight<Service<Request, Response>>(
    (next, filter) => (request, context) => filter(request, context, next),
    service,
  );
}
