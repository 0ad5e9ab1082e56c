/**
 * Who is asked: role, priority, health, panic, slow start, balancer. See selector.ts for the order, balancer.ts for what
 * a balancer is. Pure computation: no sockets, no timers; what an endpoint's health is decides governance/health.
 */
export { makeSelector } from "./selector.ts";
