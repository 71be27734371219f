// The workload in ns-3: TCP over point-to-point links, and a broker that passes bytes on.
#include <cstdlib>
#include <random>

#include <ns3/core-module.h>
#include <ns3/internet-module.h>
#include <ns3/network-module.h>
#include <ns3/point-to-point-module.h>

#include "workload.hpp"

namespace {

using namespace ns3;  // NOLINT(google-build-using-namespace)

constexpr std::uint16_t kPort = 1883;
// One connection carries what all sensors send.
constexpr std::uint32_t kBuffer = 1U << 23;

std::uint64_t received = 0;

Ptr<Socket> tcp(const Ptr<Node>& node) {
    return Socket::CreateSocket(node, TcpSocketFactory::GetTypeId());
}

class Broker {
   public:
    explicit Broker(const Ptr<Node>& node) : listener_(tcp(node)) {
        listener_->Bind(InetSocketAddress(Ipv4Address::GetAny(), kPort));
        listener_->Listen();
        listener_->SetAcceptCallback(MakeNullCallback<bool, Ptr<Socket>, const Address&>(),
                                     MakeCallback(&Broker::accept, this));
    }

   private:
    /// The first that comes is the consumer.
    void accept(Ptr<Socket> socket, const Address&) {
        if (consumer_ == nullptr) {
            consumer_ = socket;
        } else {
            socket->SetRecvCallback(MakeCallback(&Broker::forward, this));
        }
    }
    void forward(Ptr<Socket> socket) {
        while (const Ptr<Packet> packet = socket->Recv()) consumer_->Send(packet);
    }

    Ptr<Socket> listener_;
    Ptr<Socket> consumer_;
};

void consume(Ptr<Socket> socket) {
    while (const Ptr<Packet> packet = socket->Recv()) received += packet->GetSize();
}

class Sensor {
   public:
    Sensor(const Ptr<Node>& node, Ipv4Address broker, unsigned seed)
        : socket_(tcp(node)), broker_(broker), random_(seed) {
        due_ = workload::kRamp * uniform_(random_);
        Simulator::Schedule(Seconds(due_), &Sensor::start, this);
    }

   private:
    void start() {
        socket_->Connect(InetSocketAddress(broker_, kPort));
        next();
    }
    void next() {
        due_ += workload::kPeriod;
        const double at = due_ + workload::kJitter * uniform_(random_);
        Simulator::Schedule(Seconds(at) - Simulator::Now(), &Sensor::publish, this);
    }
    void publish() {
        socket_->Send(Create<Packet>(workload::kBytes));
        next();
    }

    Ptr<Socket> socket_;
    Ipv4Address broker_;
    std::minstd_rand random_;
    std::uniform_real_distribution<double> uniform_{0, 1};
    double due_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const auto sensors = static_cast<unsigned>(std::atoi(argv[1]));
    const double limit = std::atof(argv[2]);
    Config::SetDefault("ns3::TcpSocket::SegmentSize", UintegerValue(1448));
    Config::SetDefault("ns3::TcpSocket::SndBufSize", UintegerValue(kBuffer));
    Config::SetDefault("ns3::TcpSocket::RcvBufSize", UintegerValue(kBuffer));
    Config::SetDefault("ns3::TcpSocket::TcpNoDelay", BooleanValue(true));

    NodeContainer hub(1);
    NodeContainer leaves(sensors + 1);  // the consumer, and then the sensors
    InternetStackHelper internet;
    internet.SetIpv6StackInstall(false);
    internet.Install(hub);
    internet.Install(leaves);
    PointToPointHelper link;
    link.SetDeviceAttribute("DataRate", StringValue("1Gbps"));
    link.SetChannelAttribute("Delay", TimeValue(Seconds(workload::kDelay)));
    // A network of its own for each link, so that nobody needs routes.
    Ipv4AddressHelper addresses("10.0.0.0", "255.255.255.252");
    std::vector<Ipv4Address> hub_address;
    for (unsigned i = 0; i < leaves.GetN(); ++i) {
        const auto devices = link.Install(hub.Get(0), leaves.Get(i));
        hub_address.push_back(addresses.Assign(devices).GetAddress(0));
        addresses.NewNetwork();
        if (workload::cpu_seconds() > limit) workload::give_up(limit);
    }

    Broker broker(hub.Get(0));
    const Ptr<Socket> consumer = tcp(leaves.Get(0));
    consumer->SetRecvCallback(MakeCallback(&consume));
    // Devices are ready once the simulation has begun; sensors come after the consumer.
    Simulator::Stop(Seconds(0.1));
    Simulator::Run();
    consumer->Connect(InetSocketAddress(hub_address[0], kPort));
    Simulator::Stop(Seconds(0.4));
    Simulator::Run();
    std::vector<std::unique_ptr<Sensor>> all;
    for (unsigned i = 1; i <= sensors; ++i) {
        all.push_back(std::make_unique<Sensor>(leaves.Get(i), hub_address[i], i));
    }
    workload::measure(
        [](double instant) {
            Simulator::Stop(Seconds(instant) - Simulator::Now());
            Simulator::Run();
        },
        [] { return received / workload::kBytes; }, limit);
    // Without taking the network apart again.
    std::fflush(stdout);
    std::_Exit(0);
}
