// The loop that people write, with the package zeromq on Node: PORT and KIND from the environment, FOLDER has the package.
import { createRequire } from "node:module";

const { PORT, KIND, FOLDER } = process.env;
const zmq = createRequire(`${FOLDER}/package.json`)("zeromq");
const socket = KIND === "pull" ? new zmq.Pull() : new zmq.Router();
await socket.bind(`tcp://127.0.0.1:${PORT}`);
let count = 0;
if (KIND === "pull") { for await (const [message] of socket) count += message.length; }
else for await (const message of socket) await socket.send(message);
