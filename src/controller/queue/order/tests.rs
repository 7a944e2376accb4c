use super::*;
use crate::sys::clock;
use proptest::prelude::*;
use std::collections::HashMap;

fn order(fanout: usize, hosts: usize) -> Order {
    let mut order = Order::new(fanout, 0);
    (0..hosts).for_each(|host| assert_eq!(order.add_host(), host));
    order
}

/// Tasks have the numbers 0, 1, 2.
fn push(order: &mut Order, hosts: &[HostId], after: &[TaskId], kept: bool) -> TaskId {
    let id = order.tasks.last_key_value().map_or(0, |(id, _)| id + 1);
    order.push(id, &hosts.into(), after.to_vec(), kept);
    id
}

fn started(order: &mut Order) -> Vec<(TaskId, HostId)> {
    let next = || match order.next(clock::now())? {
        Turn::Start(job) => Some((job.task, job.host)),
        Turn::Skip { job, because } => panic!("{job:?} is skipped because of {because}"),
    };
    std::iter::from_fn(next).collect()
}

fn end(order: &mut Order, task: TaskId, host: HostId, end: End) {
    assert_eq!(order.end(Job { task, host }, end, 0, clock::now()), None);
}

#[test]
fn each_host_goes_on_at_its_own_pace_in_the_order_of_its_tasks() {
    let mut order = order(9, 2);
    push(&mut order, &[0, 1], &[], false);
    push(&mut order, &[0, 1], &[], false);
    assert_eq!(started(&mut order), [(0, 0), (0, 1)]);
    end(&mut order, 0, 1, End::Failed);
    assert_eq!(started(&mut order), [(1, 1)], "a failure stops nothing that does not depend on it");
    end(&mut order, 1, 1, End::Well);
    assert!(started(&mut order).is_empty() && order.is_idle(1) && !order.is_done());
    end(&mut order, 0, 0, End::Well);
    assert_eq!(started(&mut order), [(1, 0)]);
    end(&mut order, 1, 0, End::Well);
    assert!(order.is_done() && order.tasks.is_empty());
}

#[test]
fn a_host_that_has_its_turn_keeps_it_until_it_has_nothing_to_do() {
    let mut order = order(1, 2);
    push(&mut order, &[0, 1], &[], false);
    push(&mut order, &[0, 1], &[], false);
    order.close();
    let mut seen = Vec::new();
    while let Some((task, host)) = started(&mut order).pop() {
        seen.push((task, host));
        end(&mut order, task, host, End::Well);
    }
    assert_eq!(seen, [(0, 0), (1, 0), (0, 1), (1, 1)]);
}

#[test]
fn while_more_may_come_hosts_take_turns() {
    let mut order = order(1, 2);
    for _ in 0..3 {
        push(&mut order, &[0], &[], false);
    }
    push(&mut order, &[1], &[], false);
    let mut seen = Vec::new();
    while let Some((task, host)) = started(&mut order).pop() {
        seen.push(host);
        end(&mut order, task, host, End::Well);
    }
    assert_eq!(seen, [0, 1, 0, 0]);
}

#[test]
fn what_comes_after_a_failure_is_skipped_on_that_host_only() {
    let mut order = order(9, 2);
    let first = push(&mut order, &[0, 1], &[], true);
    let second = push(&mut order, &[0, 1], &[first], true);
    push(&mut order, &[0, 1], &[second], false);
    started(&mut order);
    end(&mut order, first, 0, End::Failed);
    let skip = |task, because| Some(Turn::Skip { job: Job { task, host: 0 }, because });
    assert_eq!(order.next(clock::now()), skip(second, first));
    assert_eq!(order.next(clock::now()), skip(2, second));
    end(&mut order, first, 1, End::Well);
    assert_eq!(started(&mut order), [(second, 1)]);
}

#[test]
fn what_comes_after_work_elsewhere_waits_for_all_of_it() {
    let mut order = order(1, 3);
    let elsewhere = push(&mut order, &[0, 1], &[], true);
    let behind = push(&mut order, &[2], &[elsewhere], true);
    push(&mut order, &[2], &[], false);
    assert_eq!(started(&mut order), [(0, 0)]);
    end(&mut order, elsewhere, 0, End::Well);
    assert_eq!(started(&mut order), [(0, 1)], "who waits holds no slot");
    order.forget(elsewhere);
    end(&mut order, elsewhere, 1, End::Failed);
    let job = Job { task: behind, host: 2 };
    assert_eq!(order.next(clock::now()), Some(Turn::Skip { job, because: elsewhere }));
    assert!(!order.tasks.contains_key(&elsewhere), "nobody asks for it any more");
    assert_eq!(started(&mut order), [(2, 2)]);
}

#[test]
fn who_was_not_reached_has_its_turn_again_and_keeps_its_order() {
    let mut order = Order::new(1, 1);
    order.add_host();
    order.add_host();
    push(&mut order, &[0], &[], false);
    push(&mut order, &[0, 1], &[], false);
    let now = clock::now();
    assert_eq!(started(&mut order), [(0, 0)]);
    let after = order.end(Job { task: 0, host: 0 }, End::NotReached, 0, now).expect("another attempt");
    assert_eq!(order.poll_timeout(), Some(now + after));
    assert_eq!(order.next(now), Some(Turn::Start(Job { task: 1, host: 1 })), "others need not wait");
    end(&mut order, 1, 1, End::Well);
    assert_eq!(order.next(now), None);
    assert_eq!(order.next(now + after), Some(Turn::Start(Job { task: 0, host: 0 })));
    end(&mut order, 0, 0, End::NotReached);
    assert_eq!(started(&mut order), [(1, 0)]);
}

#[test]
fn a_stop_leaves_only_what_runs() {
    let mut order = order(1, 2);
    push(&mut order, &[0, 1], &[], false);
    push(&mut order, &[1], &[], false);
    started(&mut order);
    let job = |task, host| Job { task, host };
    assert_eq!(order.stop(), [job(0, 1), job(1, 1)]);
    assert!(!order.is_done() && order.stop().is_empty());
    end(&mut order, 0, 0, End::NotReached);
    assert!(order.is_done() && started(&mut order).is_empty());
}

proptest! {
    /// Whatever depends on what, all jobs end, each host's in order, and never too many work at once.
    #[test]
    fn every_job_ends_once_and_in_its_hosts_order(
        fanout in 1usize..4,
        tasks in prop::collection::vec((1u8..16, prop::option::of(0usize..30), any::<bool>()), 1..30),
        ends in prop::collection::vec((0usize..4, any::<bool>()), 200),
    ) {
        let mut order = order(fanout, 4);
        let mut jobs = 0;
        for (at, (hosts, after, kept)) in tasks.iter().enumerate() {
            let hosts: Vec<_> = (0..4).filter(|host| hosts >> host & 1 == 1).collect();
            let known = after.filter(|after| *after < at && tasks[*after].2);
            jobs += hosts.len();
            order.push(at as TaskId, &hosts.into(), known.map(|after| after as TaskId).into_iter().collect(), *kept);
        }
        let (mut running, mut last, mut over) = (Vec::new(), HashMap::new(), 0);
        for (which, well) in ends {
            while let Some(turn) = order.next(clock::now()) {
                let (Turn::Start(job) | Turn::Skip { job, .. }) = turn;
                prop_assert!(last.insert(job.host, job.task).is_none_or(|before| before < job.task));
                match turn {
                    Turn::Start(job) => running.push(job),
                    Turn::Skip { .. } => over += 1,
                }
            }
            prop_assert!(running.len() <= fanout);
            if running.is_empty() {
                break;
            }
            let job = running.swap_remove(which % running.len());
            order.end(job, if well { End::Well } else { End::Failed }, 0, clock::now());
            over += 1;
        }
        prop_assert_eq!((over, order.is_done()), (jobs, true));
    }
}
