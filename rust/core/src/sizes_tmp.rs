#[test]
fn sizes() {
    macro_rules! s { ($($t:ty),* $(,)?) => { $(eprintln!("{:5} {}", size_of::<$t>(), stringify!($t));)* } }
    s!(crate::subscription::Subscription, crate::subscription::Wire, crate::header::HeaderWriter, sfu_wire::rtp::HeaderTemplate, sfu_wire::ExtensionMap, sfu_wire::Mid,
       crate::forward::Forwarder, crate::layer::frames::FrameLog, crate::layer::frames::Frame, crate::layer::frames::Fate, crate::layer::references::ReferenceLog, crate::rewrite::Rewriter,
       crate::rewrite::timeline::TimestampRewriter, crate::rewrite::Patch, crate::rewrite::dependency_descriptor::DependencyPatch, crate::rewrite::dependency_descriptor::DependencyRewriter, crate::layer::early::EarlyPieces,
       crate::layer::selector::LayerSelector, crate::stream::SendStream, crate::stream::SendStats, crate::change::Change, crate::keyframe::PictureLoss,
       crate::connection::Connection, sfu_transport::Transport, sfu_transport::Secured, sfu_congestion::TwccSender, sfu_congestion::TwccReceiver, crate::negotiation::Negotiator, crate::replaced::Replaced, crate::stream::PublisherClock, crate::nack::responder::LookUps, sfu_transport::Path);
}
