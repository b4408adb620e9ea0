//! Connections of a fake broker: frames in, answers out, and the faults between them.

use std::sync::{Arc, Mutex};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_wire::check;
use kafka_wire::frame;
use kafka_wire::protocol::messages::{ProduceRequest, ResponseHeader};
use kafka_wire::protocol::protocol::{Decodable, Encodable, HeaderVersion, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::{self, Asked};
use super::{Fault, State, lock};

pub async fn listen(
    listener: TcpListener,
    node: i32,
    state: Arc<Mutex<State>>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    while let Some(Ok((stream, _))) = stop.run_until_cancelled(listener.accept()).await {
        let (state, stop) = (Arc::clone(&state), stop.clone());
        tasks.spawn(async move { stop.run_until_cancelled(serve(stream, node, &state)).await });
    }
}

/// Answers until the client goes away, or a fault ends the connection.
async fn serve(mut stream: TcpStream, node: i32, state: &Mutex<State>) {
    let mut buffer = BytesMut::new();
    loop {
        let request = match frame::take(&mut buffer, frame::REQUEST_BYTES_MAX) {
            Ok(Some(request)) => request,
            Ok(None) => {
                // A Produce request that is not here yet may be one to break off.
                let is_produce = buffer.get(4..6) == Some(&[0, 0]);
                if is_produce && break_off(state) {
                    return;
                }
                match stream.read_buf(&mut buffer).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => continue,
                }
            }
            Err(error) => {
                lock(state).violations.push(error.to_string());
                return;
            }
        };
        match respond(request, node, state) {
            Response::Bytes(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Response::Close => return,
            Response::Stall => std::future::pending().await,
        }
    }
}

fn break_off(state: &Mutex<State>) -> bool {
    let mut state = lock(state);
    let here = state.faults.front() == Some(&Fault::ResetInRequest);
    if here {
        state.faults.pop_front();
    }
    here
}

enum Response {
    Bytes(Bytes),
    Close,
    Stall,
}

fn respond(request: Bytes, node: i32, state: &Mutex<State>) -> Response {
    let mut state = lock(state);
    let head = check::request_header(&request).expect("the client writes sound headers");
    let asked = Asked { key: head.api_key, version: head.api_version, correlation_id: head.correlation_id, node };
    *state.requests.entry(asked.key).or_default() += 1;
    let mut body = request.slice(head.body_offset..);
    if asked.key != ProduceRequest::KEY {
        return Response::Bytes(answer::answer(&asked, body, &mut state));
    }
    check::request(asked.key, asked.version, &body).expect("the client writes sound requests");
    let request = ProduceRequest::decode(&mut body, asked.version).expect("the client writes sound requests");
    let fault = state.next_fault();
    let mut produce = |code| Response::Bytes(answer::produce(&asked, &request, code, 0, &mut state));
    match fault {
        Fault::None => produce(None),
        Fault::Refuse(code) => Response::Bytes(answer::refuse_produce(&asked, &request, code)),
        Fault::RefuseAfterAppend(code) => produce(Some(code)),
        Fault::LoseAcknowledgement => {
            produce(None);
            Response::Close
        }
        Fault::Throttle(pause) => Response::Bytes(answer::produce(&asked, &request, None, pause, &mut state)),
        Fault::ResetInRequest | Fault::ResetBeforeAppend => Response::Close,
        Fault::Stall => Response::Stall,
        Fault::Garble => Response::Bytes(garble(&asked)),
    }
}

/// A response whose first array announces two thousand million elements.
fn garble(asked: &Asked) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i32(9);
    out.put_i32(asked.correlation_id);
    out.put_slice(&[0, 0xff, 0xff, 0xff, 0x07]);
    out.freeze()
}

/// A whole frame around a response.
pub fn encode<R: Request>(asked: &Asked, version: i16, response: &R::Response) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i32(0);
    let header = ResponseHeader::default().with_correlation_id(asked.correlation_id);
    header.encode(&mut out, R::Response::header_version(version)).expect("a header fits every version");
    response.encode(&mut out, version).expect("the answer fits the version");
    let length = (out.len() - frame::LENGTH_BYTES) as i32;
    out[..4].copy_from_slice(&length.to_be_bytes());
    out.freeze()
}

/// A request's body.
pub fn decode<R: Request>(mut body: Bytes, version: i16) -> R {
    check::request(R::KEY, version, &body).expect("the client writes sound requests");
    let request = R::decode(&mut body, version).expect("the client writes sound requests");
    assert!(!body.has_remaining(), "nothing follows the request");
    request
}
