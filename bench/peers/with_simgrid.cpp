// The workload in SimGrid: an actor a sensor, mailboxes, and the fluid network model.
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include <simgrid/s4u.hpp>

#include "workload.hpp"

namespace {

namespace s4u = simgrid::s4u;

struct Message {
    std::string topic;
    double published;
};

unsigned long received = 0;

/// Sent when it is put, received when the network model says so: the mailboxes have a receiver.
void send(s4u::Mailbox* to, Message* message) { to->put_init(message, workload::kBytes)->detach(); }

void sensor(s4u::Mailbox* broker, const std::string& topic, unsigned seed) {
    std::minstd_rand random(seed);
    std::uniform_real_distribution<double> uniform(0, 1);
    double due = workload::kRamp * uniform(random);
    for (;;) {
        s4u::this_actor::sleep_until(due + workload::kJitter * uniform(random));
        send(broker, new Message{topic, s4u::Engine::get_clock()});
        due += workload::kPeriod;
    }
}

using Subscriptions = std::unordered_map<std::string, std::vector<s4u::Mailbox*>>;

void broker(s4u::Mailbox* inbox, const Subscriptions& subscriptions) {
    inbox->set_receiver(s4u::Actor::self());
    for (;;) {
        const auto message = inbox->get_unique<Message>();
        for (s4u::Mailbox* subscriber : subscriptions.at(message->topic)) {
            send(subscriber, new Message(*message));
        }
    }
}

void consumer(s4u::Mailbox* inbox) {
    inbox->set_receiver(s4u::Actor::self());
    for (;;) {
        inbox->get_unique<Message>();
        ++received;
    }
}

}  // namespace

int main(int argc, char** argv) {
    const auto sensors = static_cast<unsigned>(std::atoi(argv[1]));
    const double limit = std::atof(argv[2]);
    // Delays as they are written down, and stacks that let 100,000 actors fit.
    std::vector<std::string> words = {argv[0], "--cfg=network/model:CM02",
                                      "--cfg=contexts/stack-size:16", "--cfg=contexts/guard-size:0",
                                      "--log=root.threshold:critical"};
    std::vector<char*> options;
    for (std::string& word : words) options.push_back(word.data());
    argc = static_cast<int>(options.size());
    options.push_back(nullptr);
    s4u::Engine engine(&argc, options.data());

    auto* star = s4u::create_star_zone("star");
    const auto host = [&](const std::string& name, double delay) {
        s4u::Host* made = star->create_host(name, 1e9)->seal();
        const s4u::Link* link = star->create_link(name, 1e9 / 8)->set_latency(delay)->seal();
        star->add_route(made->get_netpoint(), nullptr, nullptr, nullptr, {s4u::LinkInRoute(link)},
                        true);
        return made;
    };
    s4u::Host* at_broker = host("broker", 0);
    s4u::Host* at_consumer = host("consumer", workload::kDelay);
    std::vector<s4u::Host*> at_sensor;
    for (unsigned i = 0; i < sensors; ++i) {
        at_sensor.push_back(host("sensor-" + std::to_string(i), workload::kDelay));
    }
    star->seal();

    s4u::Mailbox* to_broker = s4u::Mailbox::by_name("broker");
    s4u::Mailbox* to_consumer = s4u::Mailbox::by_name("consumer");
    Subscriptions subscriptions;
    for (unsigned i = 0; i < sensors; ++i) {
        const std::string name = "sensor-" + std::to_string(i);
        const std::string topic = "plant/" + std::to_string(i / 100) + "/" + name + "/t";
        subscriptions[topic].push_back(to_consumer);
        s4u::Actor::create(name, at_sensor[i], sensor, to_broker, topic, i + 1)->daemonize();
    }
    s4u::Actor::create("consumer", at_consumer, consumer, to_consumer)->daemonize();
    s4u::Actor::create("broker", at_broker, broker, to_broker, std::cref(subscriptions))
        ->daemonize();
    // Daemons alone do not keep a simulation going.
    s4u::Actor::create("clock", at_broker, [] { s4u::this_actor::sleep_for(1e9); });
    workload::measure([&](double instant) { engine.run_until(instant); }, [] { return received; },
                      limit);
    // Without winding up 100,000 actors.
    std::fflush(stdout);
    std::_Exit(0);
}
