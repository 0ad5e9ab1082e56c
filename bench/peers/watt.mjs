// The application that Watt runs in its worker threads; copied beside its modules, where Watt looks for them.
import { createServer } from "node:http";

export function create() {
  return createServer((_request, response) => {
    const body = JSON.stringify({
      message: "Hello, World!",
      user: 42,
      groups: ["control", "button", "automatic"],
    });
    response.writeHead(200, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
    });
    response.end(body);
  });
}
