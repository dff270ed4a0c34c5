// Calls every method of the resolver from the .proto files alone, without generated code.
//
//   node resolve.js TARGET SENDER_ID PROTO_FOLDER < queries.json > answers.json
//
// The input is a JSON array of queries, the output one JSON object with an answer for each call.
"use strict";

const fs = require("node:fs");
const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const DEADLINE_MILLISECONDS = 30_000;

function connect(target, protoFolder) {
  const definition = protoLoader.loadSync("resolver_grpc/v1/resolver_service.proto", {
    includeDirs: [protoFolder],
    keepCase: true,
    longs: String,
    bytes: String,
    enums: String,
    defaults: true,
  });
  const { ResolverService } = grpc.loadPackageDefinition(definition).resolver_grpc.v1;
  return new ResolverService(target, grpc.credentials.createInsecure());
}

function deadline() {
  return { deadline: Date.now() + DEADLINE_MILLISECONDS };
}

function call(client, method, request) {
  return new Promise((resolve, reject) => {
    client[method](request, deadline(), (error, response) => (error ? reject(error) : resolve(response)));
  });
}

// Sends all requests before it reads: the answers must still come in the order of the requests.
function stream(client, requests) {
  return new Promise((resolve, reject) => {
    const responses = [];
    const calls = client.ResolveStream(deadline());
    calls.on("data", (response) => responses.push(response));
    calls.on("error", reject);
    calls.on("end", () => resolve(responses));
    requests.forEach((request) => calls.write(request));
    calls.end();
  });
}

async function statusOf(promise) {
  try {
    await promise;
    return "OK";
  } catch (error) {
    return grpc.status[error.code];
  }
}

async function main([target, senderId, protoFolder]) {
  const queries = JSON.parse(fs.readFileSync(0, "utf8"));
  const half = Math.ceil(queries.length / 2);
  const requests = [queries.slice(0, half), queries.slice(half)].map((part) => ({
    sender_id: senderId,
    queries: part,
  }));
  const client = connect(target, protoFolder);
  try {
    const answers = {
      info: await call(client, "GetServerInfo", {}),
      batch: await call(client, "ResolveBatch", { sender_id: senderId, queries }),
      stream: await stream(client, requests),
      unknown_sender: await statusOf(call(client, "ResolveBatch", { sender_id: "never-onboarded", queries: [] })),
    };
    process.stdout.write(JSON.stringify(answers));
  } finally {
    client.close();
  }
}

main(process.argv.slice(2)).catch((error) => {
  // The code alone: an error's text may quote what was sent.
  console.error(`failed: ${grpc.status[error.code] ?? error.name}`);
  process.exitCode = 1;
});
