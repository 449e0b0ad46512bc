/*
 * micro_main.cc -- Google Benchmark around the cases of the C files; see micro.h.
 *
 * The only C++ of the project.
 */
#include "micro.h"

#include <benchmark/benchmark.h>

#include <memory>
#include <string>

namespace
{

/* A case with one of its arguments; its context is made when it is first measured. */
class measurement
{
  public:
    measurement(const micro_case &one, int64_t argument) : one_(one), argument_(argument)
    {
    }

    measurement(const measurement &) = delete;
    measurement &operator=(const measurement &) = delete;

    ~measurement()
    {
        if (is_ready_ && one_.teardown != nullptr)
            one_.teardown(context_);
    }

    void run(benchmark::State &state)
    {
        if (!is_ready_ && one_.setup != nullptr)
            context_ = one_.setup(argument_);
        is_ready_ = true;
        while (state.KeepRunningBatch(MICRO_BATCH))
            one_.run(context_, MICRO_BATCH);
        state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
        for (unsigned i = 0; i < MICRO_FIGURES_MAX && one_.figures[i] != nullptr; i++)
            state.counters[one_.figures[i]] = one_.figure(context_, i);
        if (one_.bytes > 0)
            state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * one_.bytes);
    }

  private:
    const micro_case &one_;
    int64_t argument_;
    void *context_ = nullptr;
    bool is_ready_ = false;
};

void add(const micro_case &one, int64_t argument, bool is_named)
{
    auto subject = std::make_shared<measurement>(one, argument);
    std::string name = one.name;
    if (is_named)
        name += "/" + std::to_string(argument);
    auto *added = benchmark::RegisterBenchmark(
        name.c_str(), [subject](benchmark::State &state) { subject->run(state); });
    if (one.waits != 0)
        added->UseRealTime();
}

void add_suite(const micro_suite &suite)
{
    for (unsigned i = 0; i < suite.num; i++) {
        const micro_case &one = suite.cases[i];
        if (one.num_arguments == 0)
            add(one, 0, false);
        for (unsigned at = 0; at < one.num_arguments; at++)
            add(one, one.arguments[at], true);
    }
}

} // namespace

int main(int argc, char **argv)
{
    add_suite(micro_memory);
    add_suite(micro_text);
    add_suite(micro_mesh);
    add_suite(micro_codec);
    add_suite(micro_match);
    add_suite(micro_deliver);
    add_suite(micro_retained);
    add_suite(micro_threads);
    add_suite(micro_log);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 2;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::ClearRegisteredBenchmarks();
    benchmark::Shutdown();
    return 0;
}
